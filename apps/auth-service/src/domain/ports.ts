import type { SigningKey } from './signing-keys.ts'
import type { User } from './user.ts'

/**
 * The users. Every verb is one atomic step, durable when it resolves, and rejects with a `StorageError`. Names are given
 * folded (`foldUsername`).
 */
export interface UserStore {
  /** Inserts unless the name is taken; says whether it was inserted. */
  insert(user: User, foldedName: string): Promise<boolean>
  byName(foldedName: string): Promise<User | undefined>
  byId(id: string): Promise<User | undefined>
  /** The one who was inserted first of all. */
  first(): Promise<User | undefined>
  /** Counts one more wrong password, given at `at` (epoch milliseconds). */
  countWrong(id: string, at: number): Promise<void>
  /** Forgets the wrong passwords: the right one came. */
  clearWrong(id: string): Promise<void>
  /** Users who signed up with a short password. */
  countShortPasswords(): Promise<number>
}

/** The keys that tokens are signed with. Atomic, durable and rejecting like `UserStore`. */
export interface KeyStore {
  /** All of them, in any order. */
  list(): Promise<readonly SigningKey[]>
  insert(key: SigningKey): Promise<void>
  /** Removes keys that are over; one that is gone already is no fault. */
  remove(kids: readonly string[]): Promise<void>
}

/** Hashes passwords, slowly and a few at a time; checks go before new hashes. */
export interface Passwords {
  /** A salted hash with its parameters for a new user at `address`; undefined when too many wait. */
  hash(password: string, address: string): Promise<string | undefined>
  /**
   * Runs `judge` when its turn has come; undefined when too many wait. What is decided inside is decided at the moment
   * of the check, not of its waiting.
   */
  check<T>(judge: (matches: Matches) => Promise<T>): Promise<T | undefined>
}

/** Whether the password has this hash. Null takes as long, and is never true: a user who does not exist. */
export type Matches = (password: string, hash: string | null) => Promise<boolean>
