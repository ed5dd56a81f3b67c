import type { Role, UserView, Warning } from '@belfry/contracts'
import { type LoginFailures, noFailures } from './login-throttle.ts'

/** A user as stored. Times are epoch milliseconds. */
export interface User {
  readonly id: string
  /** As it was signed up with. */
  readonly username: string
  readonly roles: readonly Role[]
  /** Salted hash with its parameters (PHC string). */
  readonly passwordHash: string
  /** Signed up with a password that is only accepted while Belfry listens on this machine alone. */
  readonly hasShortPassword: boolean
  readonly createdAt: number
  readonly loginFailures: LoginFailures
}

/** The name without its case, which is unique (contracts allow ASCII only). */
export function foldUsername(username: string): string {
  return username.toLowerCase()
}

/** The record of a sign-up. `uuid` comes from the injected ids. */
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
    loginFailures: noFailures,
  }
}

/** The record as its user sees it. */
export function userViewOf(user: User, warnings: readonly Warning[] = []): UserView {
  return { id: user.id, username: user.username, roles: [...user.roles], warnings: [...warnings] }
}
