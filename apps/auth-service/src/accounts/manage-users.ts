import {
  type CreateUserBody,
  isRefusal,
  type PatchUserBody,
  type Refusal,
  type Role,
  refusal,
  type Warning,
} from '@belfry/contracts'
import type { Clock, Ids, Logger } from '@belfry/service'
import { isShortPassword, judgePassword } from '../passwords/password-rule.ts'
import { type Passwords, passwordsBusy } from '../passwords/passwords.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { UserStore } from '../store/ports.ts'
import { hashOf, newSecret, writeToken } from '../tokens/opaque-token.ts'
import type { Admins } from './admins.ts'
import { invitePrefix } from './set-password.ts'
import { insertUser, type SignUpMode, taken } from './sign-up.ts'
import { foldUsername, highestRole, type Invite, newUser, type User } from './user.ts'

export interface ManageUsersDeps {
  readonly users: UserStore
  readonly admins: Admins
  readonly sessions: Sessions
  readonly passwords: Passwords
  readonly clock: Pick<Clock, 'now'>
  readonly ids: Ids
  readonly log: Logger
  readonly mode: SignUpMode
  readonly acceptsShort: boolean
  /** How long an invitation can be used, milliseconds. */
  readonly inviteLifetimeMs: number
}

/** A user with the one-time token that sets a password; null where there is none. */
export interface InvitedUser {
  readonly user: User
  readonly invitation: { readonly token: string; readonly expiresAt: number } | null
  readonly warnings: readonly Warning[]
}

/** What admins do with users. `by`: the id of the admin, for the log. */
export interface ManageUsers {
  /** A new user; or `conflict`, `impossible`, `unavailable`, `forbidden` (no new users at all). */
  create(by: string, body: CreateUserBody, address: string): Promise<InvitedUser | Refusal>
  /** Changes role and state; or `not-found`, `conflict`, `request-in-flight`. */
  change(by: string, id: string, body: PatchUserBody): Promise<User | Refusal>
  /** A new one-time token for a user, in place of an older one: for who has lost the password. Or `not-found`, `conflict`. */
  invite(by: string, id: string): Promise<InvitedUser | Refusal>
}

export const noSuchUser = refusal('not-found', 'There is no user of that id.')
const closed = refusal('forbidden', 'No new users are made here (BELFRY_AUTH_SIGNUP is closed).')
const isAdminStill = refusal('conflict', 'An admin cannot be disabled: give the user another role first.')
const noPassword = refusal('conflict', 'This user has set no password yet, and an admin needs one.')
const disabledAdmin = refusal('conflict', 'A disabled user cannot be an admin: enable the user first.')
const raced = refusal('request-in-flight', 'Other changes of this user are under way.', { retryAfterS: 1 })
const tries = 5

export function createManageUsers(deps: ManageUsersDeps): ManageUsers {
  const { users, admins, sessions, passwords, clock, ids, log, mode, acceptsShort, inviteLifetimeMs } = deps

  const newInvite = (userUuid: string) => {
    const secret = newSecret()
    const expiresAt = clock.now() + inviteLifetimeMs
    const invite: Invite = { hash: hashOf(secret), expiresAt }
    return { invite, invitation: { token: writeToken(invitePrefix, { uuid: userUuid, secret }), expiresAt } }
  }

  /** Does one change as compare-and-set. `change` answers the new record, the same one for no change, or a refusal. */
  const update = async (id: string, change: (user: User) => User | Refusal): Promise<User | Refusal> => {
    for (let left = tries; left > 0; left -= 1) {
      const user = await users.findById(id)
      if (!user) return noSuchUser
      const changed = change(user)
      if (isRefusal(changed) || changed === user) return changed
      if (await users.replace(changed, user.version)) return { ...changed, version: user.version + 1 }
    }
    return raced
  }

  const setDisabled = async (user: User, disabled: boolean): Promise<User | Refusal> => {
    if (disabled && (await admins.roleOf(user)) === 'admin') return isAdminStill
    const changed = await update(user.id, (known) => {
      if (known.disabled === disabled) return known
      return { ...known, disabled, generation: known.generation + (disabled ? 1 : 0) }
    })
    if (!isRefusal(changed) && disabled) await sessions.endAll(user.id)
    return changed
  }

  const makeAdmin = async (user: User): Promise<User | Refusal> => {
    if (user.passwordHash === null) return noPassword
    if (user.disabled) return disabledAdmin
    return (await admins.set(user.id, true)) ?? user
  }

  /**
   * The list of the admins is changed first: one compare-and-set decides whether the last admin would go, and a refusal leaves the
   * user as it was. A user whose change ends between the two writes has the role from before, which is below that of an admin.
   */
  const setRole = async (user: User, role: Role): Promise<User | Refusal> => {
    if (role === 'admin') return makeAdmin(user)
    const refused = await admins.set(user.id, false)
    if (refused) return refused
    return update(user.id, (known) =>
      known.roles.length === 1 && known.roles[0] === role ? known : { ...known, roles: [role] },
    )
  }

  return {
    async create(by, { username, password, role }, address) {
      if (mode === 'closed') return closed
      const warnings = password === undefined ? [] : judgePassword(password, acceptsShort)
      if (isRefusal(warnings)) return warnings
      const foldedName = foldUsername(username)
      if (await users.findByName(foldedName)) return taken
      const passwordHash = password === undefined ? null : await passwords.hash(password, address)
      if (passwordHash === undefined) return passwordsBusy
      const uuid = ids.uuid()
      const { invite, invitation } = password === undefined ? newInvite(uuid) : { invite: null, invitation: null }
      const hasShortPassword = password !== undefined && isShortPassword(password)
      const user = newUser({ uuid, username, passwordHash, hasShortPassword, now: clock.now(), role, invite })
      if (!(await insertUser(users, user, foldedName))) return taken
      log.info({ by, userId: user.id, role }, 'an admin made a user')
      return { user, invitation, warnings }
    },
    async change(by, id, { roles, disabled }) {
      let user: User | Refusal = (await users.findById(id)) ?? noSuchUser
      if (isRefusal(user)) return user
      // A user is enabled before a change of the role, and disabled after it: both orders that can be asked for work.
      if (disabled === false) user = await setDisabled(user, false)
      if (!isRefusal(user) && roles) user = await setRole(user, highestRole(roles))
      if (!isRefusal(user) && disabled === true) user = await setDisabled(user, true)
      if (!isRefusal(user)) log.info({ by, userId: id, roles, disabled }, 'an admin changed a user')
      return user
    },
    async invite(by, id) {
      const { invite, invitation } = newInvite(id.slice('usr-'.length))
      const user = await update(id, (known) => ({ ...known, invite }))
      if (isRefusal(user)) return user
      log.info({ by, userId: id }, 'an admin made an invitation')
      return { user, invitation, warnings: [] }
    },
  }
}
