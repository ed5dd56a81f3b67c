/**
 * `disk-full`, `locked`, `closed`, `overloaded` (too many rows wait: send again later), `schema-newer` (a newer Belfry
 * wrote this store), `constraint` (with the database's message), `corrupt`, `failed` (anything else).
 * `unavailable`: the database cannot be reached, and nothing was written: the same call may be sent again later.
 * `outcome-unknown`: the answer was lost, so the write may or may not be stored, or may be stored a moment later. A caller
 * reads the record, or sends an idempotent write again, before it relies on either. SQLite gives neither of the two.
 */
export type StorageErrorCode =
  | 'disk-full'
  | 'locked'
  | 'closed'
  | 'overloaded'
  | 'schema-newer'
  | 'constraint'
  | 'corrupt'
  | 'unavailable'
  | 'outcome-unknown'
  | 'failed'

/** The store did not do, or did not confirm, a call. */
export class StorageError extends Error {
  readonly code: StorageErrorCode
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StorageError'
    this.code = code
  }
}

/** Whether a call failed without saying if its write is stored: the caller reads before it goes on. */
export function isOutcomeUnknown(error: unknown): error is StorageError {
  return error instanceof StorageError && error.code === 'outcome-unknown'
}

/** Whether the database could not be reached, or its answer was lost: the next call is likely to fail as well. */
export function isUnreachable(error: unknown): error is StorageError {
  return isOutcomeUnknown(error) || (error instanceof StorageError && error.code === 'unavailable')
}
