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
 * Records failures of users. The answer to a login does not wait for the write: only known users cause one, so the wait would
 * reveal who is known. The next login to the same name waits, so it reads the new count from any store.
 */
function createFailureWrites({ users, onLostFailure }: LogInDeps) {
  const pending = new Map<string, Promise<unknown>>()
  return {
    finished: (foldedName: string) => pending.get(foldedName),
    add(foldedName: string, user: User, now: number) {
      const write = users.addLoginFailure(user.id, now).catch(onLostFailure)
      const all = Promise.all([pending.get(foldedName), write]).finally(() => {
        if (pending.get(foldedName) === all) pending.delete(foldedName)
      })
      pending.set(foldedName, all)
    },
  }
}

/** The use case of `POST /auth/login`. */
export function createLogIn(deps: LogInDeps): LogIn {
  const { users, admins, passwords, clock, acceptsShort, throttle, unknownNamesLimit } = deps
  // Names without a user are throttled like those of users: else the first 429 would reveal who is known.
  const unknownNames = new LRUCache<string, LoginFailures>({ max: unknownNamesLimit })
  const writes = createFailureWrites(deps)

  const fail = (foldedName: string, user: User | undefined): Refusal => {
    const now = clock.now()
    if (user) writes.add(foldedName, user, now)
    else unknownNames.set(foldedName, addFailure(unknownNames.get(foldedName) ?? noFailures, now))
    return wrong
  }

  const check = async ({ username, password }: LoginBody, takesShort: boolean, matches: Matches) => {
    const foldedName = foldUsername(username)
    await writes.finished(foldedName)
    const user = await users.findByName(foldedName)
    const failures = user?.loginFailures ?? unknownNames.get(foldedName) ?? noFailures
    const waitMs = throttleMs(failures, clock.now(), throttle)
    if (waitMs > 0) return tooSoon(waitMs)
    const isRight = await matches(password, user?.passwordHash ?? null)
    if (!user || !isRight) return fail(foldedName, user)
    if (user.hasShortPassword && !takesShort) return shortOnNetwork
    if ((await admins.stateOf(user)).isDisabled) return disabled
    if (failures.count > 0) await users.clearLoginFailures(user.id)
    return user
  }

  return async (body, isChange = false) =>
    (await passwords.check((matches) => check(body, acceptsShort || isChange, matches))) ?? passwordsBusy
}
