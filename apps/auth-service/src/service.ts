import { createListener, type Registry } from '@belfry/discovery'
import { createHttpApp, createRateLimiter, createTokenVerifier, type HttpApp, isLoopbackHost } from '@belfry/http'
import { type Clock, createLifecycle, createLoop, type ServiceDeps } from '@belfry/service'
import type { Database } from '@belfry/storage/sqlite'
import { createArgon2Passwords } from './argon2.ts'
import type { AuthConfig } from './config.ts'
import { createAccounts } from './domain/accounts.ts'
import type { UserStore } from './domain/ports.ts'
import { createUnknownNames } from './domain/unknown-names.ts'
import { createKeyRing } from './key-ring.ts'
import { mountAccounts } from './routes/accounts.ts'
import { mountKeys } from './routes/keys.ts'
import { createSqliteKeys, createSqliteUsers } from './store/sqlite/index.ts'

export interface AuthServiceDeps extends ServiceDeps {
  /** Opened with this service's `migrations`; closed by its opener. */
  db: Database
  registry: Registry
  config: AuthConfig
}

/** `start` makes the first key, listens and registers, and answers the address; `stop` may be called twice. */
export interface AuthService {
  readonly app: HttpApp
  /** Resolves with the id of the very first user, once there is one: at the start, or when that user signs up. */
  firstUser(): Promise<string>
  start(): Promise<string>
  stop(): Promise<void>
}

/** How long the keys before the newest are still of use beyond a token's life: twice the skew of the clocks. */
const skewMs = 60_000

function passwordsOf(config: AuthConfig) {
  return createArgon2Passwords({
    memoryKib: config.authHashMemoryKib,
    passes: config.authHashPasses,
    turns: {
      atOnce: config.authHashConcurrency,
      logins: config.authHashWaiting,
      signups: config.authSignupWaiting,
      signupsPerAddress: config.authSignupWaitingPerAddress,
    },
  })
}

/** Short passwords are for one machine alone (security.md, defaults). */
function takesShortPasswords({ mode, host, authHost }: AuthConfig): boolean {
  return mode === 'standalone' && isLoopbackHost(host) && isLoopbackHost(authHost)
}

function loginLimitOf({ authLoginsPerMinute: quota, authLoginAccounts: keys }: AuthConfig, clock: Clock) {
  const counts = 'logins to one account'
  return createRateLimiter({ name: 'login-account', counts, quota, windowMs: 60_000, keys, clock })
}

function guessRuleOf(config: AuthConfig) {
  return { free: config.authFreeGuesses, delayMs: config.authGuessDelayMs, maxDelayMs: config.authGuessDelayMaxMs }
}

/** Waits for the very first user. `look` is called at the start and after each sign-up, and asks the store until it is found. */
function createFirstUser(users: UserStore, log: ServiceDeps['log']) {
  const { promise: found, resolve } = Promise.withResolvers<string>()
  let isFound = false
  const look = () => {
    if (isFound) return
    users.first().then(
      (user) => {
        if (!user) return
        isFound = true
        resolve(user.id)
      },
      (err: unknown) => log.warn({ err }, 'the first user could not be read'),
    )
  }
  return { found, look }
}

export function createAuthService(deps: AuthServiceDeps): AuthService {
  const { clock, log, ids, metrics, health, registry, config } = deps
  const tokenLifetimeMs = config.authTokenLifetimeMs
  const users = createSqliteUsers(deps.db)
  const takesShort = takesShortPasswords(config)
  const rule = { lifetimeMs: config.authKeyLifetimeMs, overlapMs: tokenLifetimeMs + skewMs }
  const keys = createKeyRing({ store: createSqliteKeys(deps.db), clock, ids, log, rule })
  const rotation = createLoop({ name: 'keys', everyMs: config.authKeyCheckMs, runOnce: keys.turn, clock, log })
  const first = createFirstUser(users, log)
  const accounts = createAccounts({
    users,
    passwords: passwordsOf(config),
    unknown: createUnknownNames(config.authUnknownNames),
    clock,
    ids,
    takesShort,
    guessRule: guessRuleOf(config),
    onSignUp: first.look,
    onLostCount: (err) => log.error({ err }, 'a wrong password could not be counted'),
  })
  // It verifies with its own keys: there is nobody to ask.
  const tokens = createTokenVerifier({ jwks: keys.published, clock })
  const app = createHttpApp({ service: 'auth-service', deps, tokens })
  const logins = metrics.counter('belfry_auth_logins_total', 'Logins by outcome', ['outcome'])
  const loginLimit = loginLimitOf(config, clock)
  mountAccounts(app, { accounts, users, keys, clock, tokenLifetimeMs, logins, loginLimit })
  mountKeys(app, keys)
  const { authHost: host, authPort: port } = config
  const door = createListener({ service: 'auth-service', app, host, port, registry, health })
  const warnOfShort = async () => {
    const affected = takesShort ? 0 : await users.countShortPasswords()
    if (affected > 0)
      log.warn({ users: affected }, 'users with a short password cannot log in while the network reaches Belfry')
  }
  const life = createLifecycle([
    { name: 'first key', start: keys.turn },
    { name: 'short passwords', start: warnOfShort },
    { name: 'keys', ...rotation },
    { name: 'first user', start: first.look },
    door,
  ])

  return {
    app,
    firstUser: () => first.found,
    async start() {
      await life.start()
      return door.address()
    },
    stop: life.stop,
  }
}
