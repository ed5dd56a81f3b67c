import { type BootstrapBody, isRefusal, type Refusal, refusal, type Warning } from '@belfry/contracts'
import type { Clock, Logger } from '@belfry/service'
import type { UserStore } from '../store/ports.ts'
import { hashOf, isSameHash } from '../tokens/opaque-token.ts'
import type { Admins } from './admins.ts'
import type { LogIn } from './log-in.ts'
import type { SignUp } from './sign-up.ts'
import { foldUsername, type User } from './user.ts'

/** The token that makes the first admin, and until when it does, epoch milliseconds. */
export interface FirstAdminToken {
  readonly token: string
  readonly expiresAt: number
}

export interface FirstAdminDeps {
  readonly users: UserStore
  readonly admins: Admins
  readonly signUp: SignUp
  readonly logIn: LogIn
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
  readonly tokens: readonly FirstAdminToken[]
}

/**
 * Makes the first admin: a new user, or one who is there and gives the right password. The token works until there is an admin,
 * which one compare-and-set decides: it is used up for every instance at once. Or `forbidden`, `conflict` (the name is taken by
 * a user with another password), and the refusals of a sign-up.
 */
export type FirstAdmin = (
  body: BootstrapBody,
  address: string,
) => Promise<{ readonly user: User; readonly warnings: readonly Warning[] } | Refusal>

const refused = refusal(
  'forbidden',
  'This token makes no first admin: it is not the right one, it has expired, or there is an admin already.',
)
const taken = refusal('conflict', 'This user name is taken, and the password is not the one of its user.', {
  errors: [{ pointer: '/username', code: 'taken', detail: 'is taken; give the password of this user' }],
})

export function createFirstAdmin(deps: FirstAdminDeps): FirstAdmin {
  const { users, admins, signUp, logIn, clock, log, tokens } = deps

  const isValid = (given: string) => {
    const hash = hashOf(given)
    return tokens.some(({ token, expiresAt }) => clock.now() < expiresAt && isSameHash(hash, hashOf(token)))
  }

  const userOf = async ({ username, password }: BootstrapBody, address: string) => {
    if (!(await users.findByName(foldUsername(username)))) return signUp({ username, password }, address)
    const user = await logIn({ username, password })
    if (isRefusal(user)) return user.code === 'wrong-credentials' ? taken : user
    return { user, warnings: [] }
  }

  return async (body, address) => {
    if (!isValid(body.token) || (await admins.read()).userIds.length > 0) return refused
    const found = await userOf(body, address)
    if (isRefusal(found)) return found
    if (!(await admins.setFirst(found.user.id))) return refused
    log.info({ userId: found.user.id }, 'the first admin is there')
    return found
  }
}
