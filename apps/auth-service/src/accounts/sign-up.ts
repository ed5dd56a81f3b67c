import { isRefusal, type Refusal, refusal, type SignupBody, type Warning } from '@belfry/contracts'
import type { Clock, Ids } from '@belfry/service'
import { isOutcomeUnknown } from '@belfry/storage'
import { isShortPassword, judgePassword } from '../passwords/password-rule.ts'
import { type Passwords, passwordsBusy } from '../passwords/passwords.ts'
import type { UserStore } from '../store/ports.ts'
import { foldUsername, newUser, type User } from './user.ts'

export interface SignUpDeps {
  readonly users: UserStore
  readonly passwords: Passwords
  /** `open`: each caller may sign up. Otherwise admins make the users (`invite`), or there are no new ones at all (`closed`). */
  readonly mode: SignUpMode
  readonly clock: Pick<Clock, 'now'>
  readonly ids: Ids
  /** Whether passwords are accepted that are too short for a network. */
  readonly acceptsShort: boolean
  /** Called when a user has been stored. */
  readonly onSignedUp: () => void
}

export type SignUpMode = 'open' | 'invite' | 'closed'

/** A new user and the warnings about the password; or the refusal: `conflict`, `impossible`, `unavailable`, `forbidden`. */
export type SignUp = (
  body: SignupBody,
  address: string,
) => Promise<{ readonly user: User; readonly warnings: readonly Warning[] } | Refusal>

const notOpen = refusal('forbidden', 'Sign-up is not open here: an admin makes the accounts.')

export const taken = refusal('conflict', 'This user name is taken.', {
  errors: [{ pointer: '/username', code: 'taken', detail: 'is taken' }],
})

/**
 * Whether this user is stored under the name. After a lost answer the stored user decides. When there is none, the write may
 * still come later: the error is passed on, and a repeated sign-up finds the name free or taken.
 */
export async function insertUser(users: UserStore, user: User, foldedName: string): Promise<boolean> {
  try {
    return await users.insertUnlessNameTaken(user, foldedName)
  } catch (error) {
    const stored = isOutcomeUnknown(error) ? await users.findByName(foldedName) : undefined
    if (!stored) throw error
    return stored.id === user.id
  }
}

/** The use case of `POST /auth/signup`. */
export function createSignUp(deps: SignUpDeps): SignUp {
  const { users, passwords, mode, clock, ids, acceptsShort, onSignedUp } = deps
  return async ({ username, password }, address) => {
    if (mode !== 'open') return notOpen
    const warnings = judgePassword(password, acceptsShort)
    if (isRefusal(warnings)) return warnings
    const foldedName = foldUsername(username)
    if (await users.findByName(foldedName)) return taken
    const passwordHash = await passwords.hash(password, address)
    if (passwordHash === undefined) return passwordsBusy
    const hasShortPassword = isShortPassword(password)
    const user = newUser({ uuid: ids.uuid(), username, passwordHash, hasShortPassword, now: clock.now() })
    if (!(await insertUser(users, user, foldedName))) return taken
    onSignedUp()
    return { user, warnings }
  }
}
