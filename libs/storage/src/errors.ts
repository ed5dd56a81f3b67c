/**
 * `disk-full`, `locked`, `closed`, `overloaded` (too many rows wait: send again later), `schema-newer` (a newer Belfry
 * wrote this store), `constraint` (with the database's message), `corrupt`, `failed` (anything else).
 * `unavailable`: the database cannot be reached, and nothing was written. `outcome-unknown`: the answer was lost, and the
 * write may or may not be there; the caller reads before it relies on either.
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

/** Why the store did not do what it was asked. */
export class StorageError extends Error {
  readonly code: StorageErrorCode
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StorageError'
    this.code = code
  }
}
