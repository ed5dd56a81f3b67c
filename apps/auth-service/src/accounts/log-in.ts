import { type LoginBody, type Refusal, refusal } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { LRUCache } from 'lru-cache'
import { shortOnNetwork } from '../passwords/password-rule.ts'
import { type Matches, type Passwords, passwordsBusy } from '../passwords/passwords.ts'
import type { UserStore } from '../store/ports.ts'
import type { Admins } from './admins.ts'
import { addFailure, type LoginFailures, noFailures, type ThrottleRule, throttleMs } from './login-throttle.ts'
import { foldUsername, type User } from './user.ts'

export interface LogInDeps {
  readonly users: UserStore
  readonly admins: Admins
  readonly passwords: Passwords
  readonly clock: Pick<Clock, 'now'>
  /** Whether users with a password too short for a network may log in. */
  readonly acceptsShort: boolean
  readonly throttle: ThrottleRule
  /** Names without a user whose failures are remembered; beyond it the one used least recently is forgotten. */
  readonly unknownNamesLimit: number
  /** Called when a failure could not be stored: the answer does not wait for the write. */
  readonly onLostFailure: (error: unknown) => void
}

/**
 * The user, if the password is right; else `wrong-credentials`, `too-many-requests`, `forbidden` or `unavailable`. `isChange`: the
 * password is about to be replaced, so that one which is too short for a network is taken.
 */
export type LogIn = (body: LoginBody, isChange?: boolean) => Promise<User | Refusal>

const disabled = refusal('forbidden', 'This account is disabled. An admin can enable it again.')
const wrong = refusal('wrong-credentials', 'User name or password is wrong.')

function tooSoon(waitMs: number): Refusal {
  const seconds = Math.ceil(waitMs / 1000)
  return refusal('too-many-requests', `Too many wrong passwords: try again in ${seconds} s.`, { retryAfterS: seconds })
}

/**
 * Takes the logins to one name in turn, so that each reads what the one before it has counted. The answer to a login does not wait for
 * the write of its failure: only known users cause one, so the wait would reveal who is known. The next login to the same name
 * waits for it, so it reads the new count from any store.
 */
function createTurns() {
  const ends = new Map<string, Promise<unknown>>()
  return async <T>(foldedName: string, logIn: (afterwards: (write: Promise<unknown>) => void) => Promise<T>) => {
    const before = ends.get(foldedName)
    let write: Promise<unknown> | undefined
    const login = (async () => {
      await before
      return logIn((one) => {
        write = one
      })
    })()
    const end = login
      .then(
        () => write,
        () => undefined,
      )
      .finally(() => {
        if (ends.get(foldedName) === end) ends.delete(foldedName)
      })
    ends.set(foldedName, end)
    return login
  }
}

/** The use case of `POST /auth/login`. */
export function createLogIn(deps: LogInDeps): LogIn {
  const { users, admins, passwords, clock, acceptsShort, throttle, unknownNamesLimit, onLostFailure } = deps
  // Names without a user are throttled like those of users: else the first 429 would reveal who is known.
  const unknownNames = new LRUCache<string, LoginFailures>({ max: unknownNamesLimit })
  const inTurn = createTurns()

  const fail = (foldedName: string, user: User | undefined, afterwards: (write: Promise<unknown>) => void): Refusal => {
    const now = clock.now()
    if (user) afterwards(users.addLoginFailure(user.id, now).catch(onLostFailure))
    else unknownNames.set(foldedName, addFailure(unknownNames.get(foldedName) ?? noFailures, now))
    return wrong
  }

  /** The user as stored after the hash: it may have waited for a thread, and the password may be another one since. */
  const stillOpened = async ({ id, passwordHash }: User): Promise<User | undefined> => {
    const user = await users.findById(id)
    return user?.passwordHash === passwordHash ? user : undefined
  }

  const check = ({ username, password }: LoginBody, takesShort: boolean, matches: Matches) => {
    const foldedName = foldUsername(username)
    return inTurn(foldedName, async (afterwards) => {
      const known = await users.findByName(foldedName)
      const failures = known?.loginFailures ?? unknownNames.get(foldedName) ?? noFailures
      const waitMs = throttleMs(failures, clock.now(), throttle)
      if (waitMs > 0) return tooSoon(waitMs)
      const isRight = await matches(password, known?.passwordHash ?? null)
      if (!known || !isRight) return fail(foldedName, known, afterwards)
      const user = await stillOpened(known)
      if (!user) return wrong
      if (user.hasShortPassword && !takesShort) return shortOnNetwork
      if ((await admins.stateOf(user)).isDisabled) return disabled
      if (failures.count > 0) await users.clearLoginFailures(user.id)
      return user
    })
  }

  return async (body, isChange = false) =>
    (await passwords.check((matches) => check(body, acceptsShort || isChange, matches))) ?? passwordsBusy
}
