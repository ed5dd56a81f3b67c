import type { Role, UserView, Warning } from '@belfry/contracts'

/** A user as stored. Times are epoch milliseconds. */
export interface User {
  readonly id: string
  /** As it was signed up with. */
  readonly username: string
  readonly roles: readonly Role[]
  /** Salted hash with its parameters (PHC string). */
  readonly passwordHash: string
  /** Signed up with a password that is only taken while nothing but this machine reaches Belfry. */
  readonly hasShortPassword: boolean
  readonly createdAt: number
  readonly guesses: Guesses
}

/** Wrong passwords in a row, and when the newest one came (epoch milliseconds). */
export interface Guesses {
  readonly wrong: number
  readonly lastAt: number
}

/** Names differ by more than their case: what is unique is the folded one (contracts allow ASCII only). */
export function foldUsername(username: string): string {
  return username.toLowerCase()
}

/** A user who has just signed up. `uuid` from the ids that were handed in. */
export function newUser(from: {
  uuid: string
  username: string
  passwordHash: string
  hasShortPassword: boolean
  now: number
}): User {
  return {
    id: `usr-${from.uuid}`,
    username: from.username,
    roles: ['user'],
    passwordHash: from.passwordHash,
    hasShortPassword: from.hasShortPassword,
    createdAt: from.now,
    guesses: { wrong: 0, lastAt: 0 },
  }
}

/** What a user gets to see of the record. */
export function userViewOf(user: User, warnings: readonly Warning[] = []): UserView {
  return { id: user.id, username: user.username, roles: [...user.roles], warnings: [...warnings] }
}
