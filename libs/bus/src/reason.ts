/** Characters of a reason that are remembered, stored and logged. */
export const reasonLimit = 500

/** Why a message or a record cannot be taken, in at most `reasonLimit` characters. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, reasonLimit)
}

/**
 * Codes of a store that stores nothing just now, whatever the record is (storage, `StorageErrorCode`), and of a record that
 * other writers changed too often meanwhile (service, `ConflictError`).
 */
const transient = new Set(['disk-full', 'locked', 'closed', 'overloaded', 'unavailable', 'outcome-unknown', 'conflict'])

/** Whether the same call may succeed later: the message or record that it was about is good. */
export function isTransient(error: unknown): boolean {
  return error instanceof Error && 'code' in error && transient.has(String(error.code))
}
