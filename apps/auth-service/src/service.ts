import { createAuditLog, mountAudit } from '@belfry/audit'
import { createPeerShare, createPeerTurns } from '@belfry/discovery'
import { createHttpApp, createRateLimiter, createTokenVerifier, isLoopbackHost } from '@belfry/http'
import { type Clock, createLoop, createRetentionClock } from '@belfry/service'
import { createServiceShell, type ServiceShell, type ServiceShellDeps } from '@belfry/shell'
import { createFirstUser } from './accounts/first-user.ts'
import { createLogIn } from './accounts/log-in.ts'
import type { ThrottleRule } from './accounts/login-throttle.ts'
import { createSignUp } from './accounts/sign-up.ts'
import type { AuthConfig } from './config.ts'
import { createKeyRing } from './keys/key-ring.ts'
import type { RotationRule } from './keys/signing-keys.ts'
import { createArgon2Passwords } from './passwords/argon2.ts'
import { mountAccounts } from './routes/accounts.ts'
import { mountKeys } from './routes/keys.ts'
import type { Stores } from './store/ports.ts'

export type AuthServiceDeps = Omit<ServiceShellDeps<Stores, AuthConfig>, 'bus' | 'rest' | 'tokens'>

export interface AuthService extends ServiceShell {
  /** Resolves with the id of the first user of all, once there is one: at the start, or when that user signs up. */
  firstUser(): Promise<string>
}

/** How long a replaced key is published beyond the life of a token: twice the skew of the clocks. */
const skewMs = 60_000
/** A verifier fetches the keys at most once in 10 s (`createTokenVerifier`), so a key that signs is three times as old. */
const publishMs = 30_000
/** More than the clocks of two instances are apart. */
const settledMs = 600_000
/** How old the keys that an instance knows may be when it signs; a login reads the store anyway. */
const readKeysEveryMs = 5_000

function rotationOf({ authKeyLifetimeMs, authKeyCheckMs, authTokenLifetimeMs }: AuthConfig): RotationRule {
  const overlapMs = 2 * authKeyCheckMs + settledMs + authTokenLifetimeMs + skewMs
  return { lifetimeMs: authKeyLifetimeMs, publishMs, settledMs, overlapMs }
}

function passwordsOf(config: AuthConfig) {
  return createArgon2Passwords({
    memoryKib: config.authHashMemoryKib,
    passes: config.authHashPasses,
    queue: {
      atOnce: config.authHashConcurrency,
      logins: config.authHashWaiting,
      signups: config.authSignupWaiting,
      signupsPerAddress: config.authSignupWaitingPerAddress,
    },
  })
}

/** Short passwords are for one machine alone (security.md, defaults). */
function acceptsShortPasswords({ mode, host, authHost }: AuthConfig): boolean {
  return mode === 'standalone' && isLoopbackHost(host) && isLoopbackHost(authHost)
}

function loginLimitOf({ authLoginsPerMinute: quota, authLoginAccounts: keys }: AuthConfig, clock: Clock) {
  const counts = 'logins to one account'
  return createRateLimiter({ name: 'login-account', counts, quota, windowMs: 60_000, keys, clock })
}

function throttleOf(config: AuthConfig): ThrottleRule {
  return { free: config.authFreeGuesses, delayMs: config.authGuessDelayMs, maxDelayMs: config.authGuessDelayMaxMs }
}

export function createAuthService(deps: AuthServiceDeps): AuthService {
  const { clock, log, ids, metrics, stores, config } = deps
  const tokenLifetimeMs = config.authTokenLifetimeMs
  const { users } = stores
  const acceptsShort = acceptsShortPasswords(config)
  const passwords = passwordsOf(config)
  const rule = rotationOf(config)
  const keys = createKeyRing({ store: stores.keys, clock, ids, log, rule, readEveryMs: readKeysEveryMs })
  const rotation = createLoop({ name: 'keys', everyMs: config.authKeyCheckMs, runOnce: keys.rotate, clock, log })
  const first = createFirstUser(users, log)
  const signUp = createSignUp({ users, passwords, clock, ids, acceptsShort, onSignedUp: first.look })
  const logIn = createLogIn({
    users,
    passwords,
    clock,
    acceptsShort,
    throttle: throttleOf(config),
    unknownNamesLimit: config.authUnknownNames,
    onLostFailure: (err) => log.error({ err }, 'a wrong password could not be counted'),
  })
  // auth-service verifies with its own keys, without a call.
  const tokens = createTokenVerifier({ jwks: keys.published, clock })
  const { serviceTokens } = deps
  const app = createHttpApp({ service: 'auth-service', deps, tokens, serviceTokens })
  const retentionClock = createRetentionClock({ deps, marks: stores.cursors, config })
  const takesTurn = createPeerTurns(createPeerShare({ registry: deps.registry, service: 'auth-service' }))
  const audit = createAuditLog({ deps, store: stores.audit, config, retentionClock, takesTurn })
  audit.record(app)
  mountAudit(app, audit)
  const logins = metrics.counter('belfry_auth_logins_total', 'Logins by outcome', ['outcome'])
  const loginLimit = loginLimitOf(config, clock)
  mountAccounts(app, { signUp, logIn, users, keys, clock, tokenLifetimeMs, logins, loginLimit })
  mountKeys(app, keys)
  const warnOfShort = async () => {
    const affected = acceptsShort ? 0 : await users.countShortPasswords()
    if (affected > 0)
      log.warn({ users: affected }, 'users with a short password cannot log in while the network reaches Belfry')
  }
  const listen = { host: config.authHost, port: config.authPort }
  const parts = [
    { name: 'retention clock', start: retentionClock.open },
    audit.part,
    { name: 'first key', start: keys.rotate },
    { name: 'short passwords', start: warnOfShort },
    { name: 'keys', ...rotation },
    { name: 'first user', start: first.look },
  ]
  const shell = createServiceShell({ service: 'auth-service', deps, app, listen, parts })
  return { ...shell, firstUser: () => first.found }
}
