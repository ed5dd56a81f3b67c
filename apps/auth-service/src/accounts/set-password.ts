import {
  type AcceptInviteBody,
  isRefusal,
  type PasswordBody,
  type Refusal,
  refusal,
  type Warning,
} from '@belfry/contracts'
import type { Clock, Logger } from '@belfry/service'
import { isShortPassword, judgePassword } from '../passwords/password-rule.ts'
import { type Passwords, passwordsBusy } from '../passwords/passwords.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { UserStore } from '../store/ports.ts'
import { hashOf, isSameHash, readToken } from '../tokens/opaque-token.ts'
import type { LogIn } from './log-in.ts'
import { type User, withPassword } from './user.ts'

export interface SetPasswordDeps {
  readonly users: UserStore
  readonly sessions: Sessions
  readonly passwords: Passwords
  readonly logIn: LogIn
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
  /** Whether passwords are accepted that are too short for a network. */
  readonly acceptsShort: boolean
}

/** The user with the new password, and the warnings about it. */
interface PasswordSet {
  readonly user: User
  readonly warnings: readonly Warning[]
}

export interface SetPassword {
  /** By the old password, which is tried as rarely as a login; or `impossible`, `too-many-requests`, `conflict`, `unavailable`. */
  change(userId: string, body: PasswordBody, address: string): Promise<PasswordSet | Refusal>
  /** By a one-time token, which is used up; or `not-found`, `impossible`, `conflict`, `unavailable`. */
  accept(body: AcceptInviteBody, address: string): Promise<PasswordSet | Refusal>
}

/** The prefix of the tokens of invitations. */
export const invitePrefix = 'bfi'

const gone = refusal('unauthenticated', 'The user of this token does not exist any more.')
const raced = refusal('conflict', 'The user was changed at the same moment: try again.')
const noInvite = refusal('not-found', 'This invitation was used already, has expired, or never was one.')
const wrongCurrent = refusal('impossible', 'The password was not changed.', {
  errors: [{ pointer: '/current', code: 'wrong-password', detail: 'is not the password of this user' }],
})

export function createSetPassword(deps: SetPasswordDeps): SetPassword {
  const { users, sessions, passwords, logIn, clock, log, acceptsShort } = deps

  /** One compare-and-set, so that of two changes at the same moment one counts; it makes all earlier logins void by itself. */
  const store = async (user: User, password: string, pointer: string, address: string) => {
    const warnings = judgePassword(password, acceptsShort, pointer)
    if (isRefusal(warnings)) return warnings
    const passwordHash = await passwords.hash(password, address)
    if (passwordHash === undefined) return passwordsBusy
    const changed = withPassword(user, passwordHash, isShortPassword(password))
    if (!(await users.replace(changed, user.version))) return raced
    await sessions.endAll(user.id)
    log.info({ userId: user.id }, 'a user has a new password: all earlier logins end')
    return { user: changed, warnings }
  }

  const invited = async (token: string): Promise<User | undefined> => {
    const read = readToken(invitePrefix, token)
    const user = read && (await users.findById(`usr-${read.uuid}`))
    if (!user?.invite || user.disabled || clock.now() >= user.invite.expiresAt) return undefined
    return isSameHash(hashOf(read?.secret ?? ''), user.invite.hash) ? user : undefined
  }

  return {
    async change(userId, { current, next }, address) {
      const user = await users.findById(userId)
      if (!user) return gone
      const checked = await logIn({ username: user.username, password: current }, true)
      if (isRefusal(checked)) return checked.code === 'wrong-credentials' ? wrongCurrent : checked
      return store(checked, next, '/next', address)
    },
    async accept({ token, password }, address) {
      const user = await invited(token)
      return user ? store(user, password, '/password', address) : noInvite
    },
  }
}
