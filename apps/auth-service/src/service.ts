import { createDoor, type Discovery } from '@belfry/discovery'
import { createHttpApp, createTokenVerifier, type HttpApp } from '@belfry/http'
import { createLifecycle, createLoop, type ServiceDeps } from '@belfry/service'
import type { Database } from '@belfry/storage'
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
  /** Opened with this service's `migrations`; closed by whoever opened it. */
  db: Database
  discovery: Discovery
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
    concurrency: config.authHashConcurrency,
    waiting: config.authHashWaiting,
  })
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
  const { clock, log, ids, metrics, health, discovery, config } = deps
  const tokenLifetimeMs = config.authTokenLifetimeMs
  const users = createSqliteUsers(deps.db)
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
    mode: config.mode,
    guessRule: guessRuleOf(config),
    onSignUp: first.look,
    onLostCount: (err) => log.error({ err }, 'a wrong password could not be counted'),
  })
  // It verifies with its own keys: there is nobody to ask.
  const tokens = createTokenVerifier({ jwks: keys.published, clock })
  const app = createHttpApp({ service: 'auth-service', deps, tokens })
  const logins = metrics.counter('belfry_auth_logins_total', 'Logins by outcome', ['outcome'])
  mountAccounts(app, { accounts, users, keys, clock, tokenLifetimeMs, logins })
  mountKeys(app, keys)
  const { authHost: host, authPort: port } = config
  const door = createDoor({ service: 'auth-service', app, host, port, discovery, health })
  const life = createLifecycle([
    { name: 'first key', start: keys.turn },
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
