import { isRefusal, type LoginBody, type Refusal, refusal, type SignupBody, type Warning } from '@belfry/contracts'
import type { Clock, Ids } from '@belfry/service'
import { countWrong, type GuessRule, noGuesses, waitFor } from './guesses.ts'
import { isShortPassword, judgePassword, shortOnNetwork } from './password.ts'
import type { Matches, Passwords, UserStore } from './ports.ts'
import type { UnknownNames } from './unknown-names.ts'
import { foldUsername, newUser, type User } from './user.ts'

export interface AccountsDeps {
  users: UserStore
  passwords: Passwords
  /** Wrong passwords for names that nobody has. */
  unknown: UnknownNames
  clock: Pick<Clock, 'now'>
  ids: Ids
  /** Whether passwords pass that are too short for a network. */
  takesShort: boolean
  guessRule: GuessRule
  /** Called when a user has been stored. */
  onSignUp: () => void
  /** Told when a count could not be stored: the answer does not wait for it. */
  onLostCount: (error: unknown) => void
}

export interface Accounts {
  /** A new user and what is to be said about the password; or why not: `conflict`, `impossible`, `unavailable`. */
  signUp(body: SignupBody, address: string): Promise<{ user: User; warnings: readonly Warning[] } | Refusal>
  /** The user, if the password is right; else `wrong-credentials`, `too-many-requests`, `forbidden` or `unavailable`. */
  logIn(body: LoginBody): Promise<User | Refusal>
}

const taken = refusal('conflict', 'This user name is taken.', {
  errors: [{ pointer: '/username', code: 'taken', detail: 'is taken' }],
})
const busy = refusal('unavailable', 'Too many passwords are being checked.', { retryAfterS: 2 })
const wrong = refusal('wrong-credentials', 'User name or password is wrong.')

function tooSoon(waitMs: number): Refusal {
  const seconds = Math.ceil(waitMs / 1000)
  return refusal('too-many-requests', `Too many wrong passwords: try again in ${seconds} s.`, { retryAfterS: seconds })
}

/** The use cases of accounts. */
export function createAccounts(deps: AccountsDeps): Accounts {
  const { users, passwords, unknown, clock, ids, takesShort, guessRule } = deps

  /** Nobody waits for the count: a write that only known users cause would tell who is known. Reads come after it. */
  const fail = (name: string, user: User | undefined, now: number): Refusal => {
    if (user) users.countWrong(user.id, now).catch(deps.onLostCount)
    else unknown.set(name, countWrong(unknown.get(name) ?? noGuesses, now))
    return wrong
  }

  const check = async (name: string, password: string, matches: Matches): Promise<User | Refusal> => {
    const user = await users.byName(name)
    const guesses = user?.guesses ?? unknown.get(name) ?? noGuesses
    const waitMs = waitFor(guesses, clock.now(), guessRule)
    if (waitMs > 0) return tooSoon(waitMs)
    const isRight = await matches(password, user?.passwordHash ?? null)
    if (!user || !isRight) return fail(name, user, clock.now())
    if (user.hasShortPassword && !takesShort) return shortOnNetwork
    if (guesses.wrong > 0) await users.clearWrong(user.id)
    return user
  }

  return {
    async signUp({ username, password }, address) {
      const warnings = judgePassword(password, takesShort)
      if (isRefusal(warnings)) return warnings
      const name = foldUsername(username)
      if (await users.byName(name)) return taken
      const passwordHash = await passwords.hash(password, address)
      if (passwordHash === undefined) return busy
      const hasShortPassword = isShortPassword(password)
      const user = newUser({ uuid: ids.uuid(), username, passwordHash, hasShortPassword, now: clock.now() })
      if (!(await users.insert(user, name))) return taken
      deps.onSignUp()
      return { user, warnings }
    },
    async logIn({ username, password }) {
      const name = foldUsername(username)
      return (await passwords.check((matches) => check(name, password, matches))) ?? busy
    },
  }
}
