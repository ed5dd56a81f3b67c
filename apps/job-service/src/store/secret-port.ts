import type { RowId } from '@belfry/storage'
import type { Secret } from '../domain/secret.ts'

/** The secrets of users, unique by `ownerId` and `name`. All verbs reject with a `StorageError`. */
export interface SecretStore {
  /**
   * Stores a secret, or gives one that is there its new value and `updatedAt`. `too-many`: the owner had `most` others when the call
   * counted them; calls at the same time may exceed it where the database counts in a step of its own.
   */
  put(secret: Secret, most: number): Promise<{ readonly secret: Secret; readonly isNew: boolean } | 'too-many'>
  /** Secrets of an owner in the order of their names, after a name (null: from the first on). */
  list(ownerId: string, page: { readonly after: string | null; readonly limit: number }): Promise<readonly Secret[]>
  /** Those of these names that there are, in any order. */
  readMany(ownerId: string, names: readonly string[]): Promise<readonly Secret[]>
  /** Those of all owners, in an order that stays: the next `limit` after a row (null: from the first on). */
  listAll(after: RowId | null, limit: number): Promise<{ rows: readonly Secret[]; next: RowId | null }>
  /** Stores the same value, sealed anew, if the secret is still sealed as it was read; answers whether. */
  reseal(before: Secret, sealed: string): Promise<boolean>
  /** Removes one and answers it as it was; undefined where there is none. */
  remove(ownerId: string, name: string): Promise<Secret | undefined>
}
