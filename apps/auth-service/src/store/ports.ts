import type { AuditStore } from '@belfry/audit'
import type { CursorStore } from '@belfry/storage'
import type { AdminList } from '../accounts/admins.ts'
import type { User } from '../accounts/user.ts'
import type { ApiKey } from '../api-keys/api-key.ts'
import type { SigningKey } from '../keys/signing-keys.ts'
import type { Session } from '../sessions/session.ts'

/**
 * The users. Every verb reads or writes one record atomically, is durable when it resolves, and rejects with a `StorageError`.
 * Names are given folded (`foldUsername`). Verbs that are not awaited run in any order.
 */
export interface UserStore {
  /** Inserts the user unless the name is taken; answers whether it was inserted. */
  insertUnlessNameTaken(user: User, foldedName: string): Promise<boolean>
  findByName(foldedName: string): Promise<User | undefined>
  findById(id: string): Promise<User | undefined>
  /** Those that are there, in any order; at most 400 ids and names. */
  findMany(ids: readonly string[], foldedNames: readonly string[]): Promise<readonly User[]>
  /** Users by folded name: those after `after` whose name begins with `beginning`, at most `limit`. */
  list(page: { after: string; beginning: string; limit: number }): Promise<readonly User[]>
  /**
   * Stores role, password, state, invitation and generation of the user if its `version` is still `fromVersion`, and raises that
   * by one; answers whether. Name, time and wrong passwords stay as they are.
   */
  replace(user: User, fromVersion: number): Promise<boolean>
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

/** The record of the admins. Atomic, durable and rejecting like `UserStore`. */
export interface AdminStore {
  /** The list; an empty one of version 0 before the first write. */
  read(): Promise<AdminList>
  /** Stores the list if its version is still `fromVersion`, and raises that by one; answers whether. */
  replace(userIds: readonly string[], fromVersion: number): Promise<boolean>
}

/** Logins that can be refreshed. Atomic, durable and rejecting like `UserStore`. */
export interface SessionStore {
  insert(session: Session): Promise<void>
  find(id: string): Promise<Session | undefined>
  /** Stores the newest token of a session if the newest one is still that of `fromHash`; answers whether. */
  rotate(session: Session, fromHash: string): Promise<boolean>
  /** Removes sessions; one that is gone already is no error. */
  removeMany(ids: readonly string[]): Promise<void>
  removeOfUser(userId: string): Promise<void>
  /** The newest 1,000 of a user, in any order. */
  listOfUser(userId: string): Promise<readonly Session[]>
  /** Removes at most `limit` that expired before `at` (epoch milliseconds); answers how many. */
  purge(at: number, limit: number): Promise<number>
}

/** API keys. Atomic, durable and rejecting like `UserStore`. */
export interface ApiKeyStore {
  insert(key: ApiKey): Promise<void>
  find(id: string): Promise<ApiKey | undefined>
  /** All keys of a user, in any order. */
  listOfUser(userId: string): Promise<readonly ApiKey[]>
  /** Removes the key if it belongs to the user; answers whether there was one. */
  remove(id: string, userId: string): Promise<boolean>
  /** Stores when the key was used, epoch milliseconds. */
  touch(id: string, at: number): Promise<void>
}

/** All stores of auth-service. */
export interface Stores {
  readonly users: UserStore
  readonly keys: KeyStore
  readonly cursors: CursorStore
  readonly audit: AuditStore
  readonly admins: AdminStore
  readonly sessions: SessionStore
  readonly apiKeys: ApiKeyStore
  close(): Promise<void>
}
