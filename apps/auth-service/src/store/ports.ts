import type { AuditStore } from '@belfry/audit'
import type { CursorStore } from '@belfry/storage'
import type { User } from '../accounts/user.ts'
import type { SigningKey } from '../keys/signing-keys.ts'

/**
 * The users. Every verb reads or writes one record atomically, is durable when it resolves, and rejects with a `StorageError`.
 * Names are given folded (`foldUsername`). Verbs that are not awaited run in any order.
 */
export interface UserStore {
  /** Inserts the user unless the name is taken; answers whether it was inserted. */
  insertUnlessNameTaken(user: User, foldedName: string): Promise<boolean>
  findByName(foldedName: string): Promise<User | undefined>
  findById(id: string): Promise<User | undefined>
  /** The user who was stored first. A store that keeps no order takes the earliest `createdAt`. */
  findFirst(): Promise<User | undefined>
  /** Counts one more wrong password, given at `at` (epoch milliseconds). Nothing happens without such a user. */
  addLoginFailure(id: string, at: number): Promise<void>
  /** Sets the wrong passwords to none. Idempotent. */
  clearLoginFailures(id: string): Promise<void>
  /** Counts the users that signed up with a short password. */
  countShortPasswords(): Promise<number>
}

/** The keys that sign tokens. Atomic, durable and rejecting like `UserStore`. */
export interface KeyStore {
  /** All of them, in any order. */
  list(): Promise<readonly SigningKey[]>
  /** Rejects with `constraint` when there is a key of that id. */
  insert(key: SigningKey): Promise<void>
  /** Removes keys, one by one; a key that is gone already is no error. Idempotent. */
  removeMany(kids: readonly string[]): Promise<void>
}

/** All stores of auth-service. */
export interface Stores {
  readonly users: UserStore
  readonly keys: KeyStore
  readonly cursors: CursorStore
  readonly audit: AuditStore
  close(): Promise<void>
}
