import { StorageError } from '@belfry/storage'

/**
 * The answer of a write; `lost` when the database may or may not have stored it (`outcome-unknown`). The caller then reads,
 * or repeats a write that is the same twice. On the last try the error is the answer.
 */
export async function orLost<T>(write: Promise<T>, isLastTry = false): Promise<T | 'lost'> {
  try {
    return await write
  } catch (error) {
    if (!isLastTry && error instanceof StorageError && error.code === 'outcome-unknown') return 'lost'
    throw error
  }
}
