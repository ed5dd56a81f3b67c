import { type Refusal, refusal } from '@belfry/contracts'
import { retryOnConflict } from '@belfry/service'
import { isOutcomeUnknown } from '@belfry/storage'

export const keepsChanging = refusal('conflict', 'the job changed again and again meanwhile')

/** How often a change is tried on the newest version when another change wins. Each time another one has been made. */
const tries = 20
/** From this try on the loss of an answer is passed on. */
const lastLostTry = 5

/**
 * Tries a change on the newest version of a job. `attempt` reads it and answers undefined when another change has won, or
 * the answer of its write was lost: the next try reads what there is then. `isLastTry`: another answer that is lost is passed on.
 */
export async function onNewestVersion<T>(
  attempt: (isLastTry: boolean) => Promise<T | undefined>,
): Promise<T | Refusal> {
  let answer: T | undefined
  await retryOnConflict([attempt], tries, async (attempts, round) => {
    answer = await attempt(round >= lastLostTry - 1)
    return answer === undefined ? attempts : []
  })
  return answer ?? keepsChanging
}

/**
 * The answer of a write; `lost` when the database may or may not have stored it (`outcome-unknown`). The caller then reads,
 * or repeats a write that is the same twice. On the last try the error is passed on.
 */
export async function orLost<T>(write: Promise<T>, isLastTry = false): Promise<T | 'lost'> {
  try {
    return await write
  } catch (error) {
    if (!isLastTry && isOutcomeUnknown(error)) return 'lost'
    throw error
  }
}
