import { type ManagedUser, type Role, roles, toWireTime, type UserView, type Warning } from '@belfry/contracts'
import { type LoginFailures, noFailures } from './login-throttle.ts'

/** A user as stored. Times are epoch milliseconds. */
export interface User {
  readonly id: string
  /** As it was signed up with. */
  readonly username: string
  /** The role, viewer, user or operator, as a list of one. Who is an admin stands in the record of the admins (`admins.ts`). */
  readonly roles: readonly Role[]
  /** Salted hash with its parameters (PHC string); null for an invited user who has set no password yet. */
  readonly passwordHash: string | null
  /** Signed up with a password that is only accepted while Belfry listens on this machine alone. */
  readonly hasShortPassword: boolean
  readonly createdAt: number
  readonly loginFailures: LoginFailures
  /** Set by an admin; it does not hold for an admin. */
  readonly disabled: boolean
  /** Raised by what ends all logins of the user: a new password, a disabling. */
  readonly generation: number
  /** The one-time token by which a password can be set without the old one. */
  readonly invite: Invite | null
  /** Raised by every change but those of `loginFailures`; the guard of compare-and-sets. */
  readonly version: number
}

/** A one-time token as stored; `expiresAt` in epoch milliseconds. */
export interface Invite {
  readonly hash: string
  readonly expiresAt: number
}

/** What is the same for every user who has just been stored. */
const freshUser = { loginFailures: noFailures, disabled: false, generation: 0, version: 0 } as const

/** The name without its case, which is unique (contracts allow ASCII only). */
export function foldUsername(username: string): string {
  return username.toLowerCase()
}

/** The record of a new user. `uuid` comes from the injected ids. */
export function newUser(from: {
  uuid: string
  username: string
  passwordHash: string | null
  hasShortPassword: boolean
  now: number
  role?: Role
  invite?: Invite | null
}): User {
  const { uuid, username, passwordHash, hasShortPassword, now, role = 'user', invite = null } = from
  return {
    ...{ id: `usr-${uuid}`, username, roles: [role], passwordHash, hasShortPassword, createdAt: now },
    ...{ ...freshUser, invite },
  }
}

/** The user after a new password: all logins end, and an invitation is used up. */
export function withPassword(user: User, passwordHash: string, hasShortPassword: boolean): User {
  return { ...user, passwordHash, hasShortPassword, generation: user.generation + 1, invite: null }
}

/** The highest of some roles (viewer < user < operator < admin). */
export function highestRole(held: readonly Role[]): Role {
  return roles[Math.max(0, ...held.map((role) => roles.indexOf(role)))] as Role
}

/** The record as its user sees it. */
export function userViewOf(user: User, role: Role, warnings: readonly Warning[] = []): UserView {
  return { id: user.id, username: user.username, roles: [role], warnings: [...warnings] }
}

/** The record as an admin sees it. */
export function managedUserOf(
  user: User,
  { role, isDisabled }: { readonly role: Role; readonly isDisabled: boolean },
): ManagedUser {
  const { id, username, passwordHash, createdAt } = user
  const hasPassword = passwordHash !== null
  return { id, username, roles: [role], disabled: isDisabled, hasPassword, createdAt: toWireTime(createdAt) }
}
