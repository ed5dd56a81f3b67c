import { createAuditLog, mountAudit } from '@belfry/audit'
import { createPeerShare, createPeerTurns } from '@belfry/discovery'
import { createHttpApp, createRateLimiter, createTokenVerifier, isLoopbackHost } from '@belfry/http'
import { type Clock, createLoop, createRetentionClock } from '@belfry/service'
import { createServiceShell, type ServiceShell, type ServiceShellDeps } from '@belfry/shell'
import { createAdmins } from './accounts/admins.ts'
import { createFirstAdmin, type FirstAdminToken } from './accounts/first-admin.ts'
import { createFirstUser } from './accounts/first-user.ts'
import { createLogIn } from './accounts/log-in.ts'
import type { ThrottleRule } from './accounts/login-throttle.ts'
import { createManageUsers } from './accounts/manage-users.ts'
import { createSetPassword } from './accounts/set-password.ts'
import { createSignUp } from './accounts/sign-up.ts'
import { createApiKeys } from './api-keys/api-keys.ts'
import type { AuthConfig } from './config.ts'
import { createKeyRing } from './keys/key-ring.ts'
import type { RotationRule } from './keys/signing-keys.ts'
import { createArgon2Passwords } from './passwords/argon2.ts'
import { mountAccounts } from './routes/accounts.ts'
import { mountApiKeys } from './routes/api-keys.ts'
import { mountInternal } from './routes/internal.ts'
import { mountKeys } from './routes/keys.ts'
import { mountOneTime } from './routes/one-time.ts'
import { createLoginReplies } from './routes/replies.ts'
import { mountSessions } from './routes/sessions.ts'
import { mountUsers } from './routes/users.ts'
import { createSessions } from './sessions/sessions.ts'
import type { Stores } from './store/ports.ts'
import { newSecret } from './tokens/opaque-token.ts'

export type AuthServiceDeps = Omit<ServiceShellDeps<Stores, AuthConfig>, 'bus' | 'rest' | 'tokens'>

export interface AuthService extends ServiceShell {
  /** Resolves with the id of the first user of all, once there is one: at the start, or when that user signs up. */
  firstUser(): Promise<string>
  /** The one-time token that makes the first admin, as long as there is none and the token is of this start (standalone). */
  firstAdminToken(): Promise<string | null>
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

/** The tokens that make the first admin: the one of the configuration, and in standalone one of this start. */
function firstAdminTokensOf({ mode, bootstrapToken, authFirstAdminMs }: AuthConfig, clock: Clock) {
  const given: FirstAdminToken[] =
    bootstrapToken === undefined ? [] : [{ token: bootstrapToken, expiresAt: Number.POSITIVE_INFINITY }]
  if (mode === 'distributed') return { own: null, tokens: given }
  const own = { token: newSecret(), expiresAt: clock.now() + authFirstAdminMs }
  return { own, tokens: [...given, own] }
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
  const admins = createAdmins(stores.admins, config.authMostAdmins)
  const common = { users, admins, passwords, clock, ids, log, acceptsShort }
  const signUpDeps = { ...common, onSignedUp: first.look }
  const signUp = createSignUp({ ...signUpDeps, mode: config.authSignup })
  const logIn = createLogIn({
    ...common,
    throttle: throttleOf(config),
    unknownNamesLimit: config.authUnknownNames,
    onLostFailure: (err) => log.error({ err }, 'a wrong password could not be counted'),
  })
  const sessions = createSessions({
    ...common,
    sessions: stores.sessions,
    lifetimeMs: config.authRefreshLifetimeMs,
    graceMs: config.authRefreshGraceMs,
    mostPerUser: config.authSessionsPerUser,
    purgeBatch: config.authPurgeBatch,
  })
  const purge = createLoop({ name: 'sessions', everyMs: config.authPurgeMs, runOnce: sessions.purge, clock, log })
  const apiKeys = createApiKeys({
    ...common,
    apiKeys: stores.apiKeys,
    mostPerUser: config.authApiKeysPerUser,
    lastUseMs: config.authApiKeyUseMs,
  })
  const setPassword = createSetPassword({ ...common, sessions, logIn })
  const inviteLifetimeMs = config.authInviteLifetimeMs
  const manageUsers = createManageUsers({ ...common, sessions, mode: config.authSignup, inviteLifetimeMs })
  const { own, tokens: firstAdminTokens } = firstAdminTokensOf(config, clock)
  const makeUser = createSignUp({ ...signUpDeps, mode: 'open' })
  const firstAdmin = createFirstAdmin({ ...common, signUp: makeUser, logIn, tokens: firstAdminTokens })
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
  const refreshes = metrics.counter('belfry_auth_refreshes_total', 'Refreshes of a login by outcome', ['outcome'])
  const replyFor = createLoginReplies(keys, clock, tokenLifetimeMs)
  mountAccounts(app, { signUp, logIn, sessions, users, admins, replyFor, logins, loginLimit })
  mountSessions(app, { sessions, setPassword, admins, replyFor, refreshes, loginLimit })
  mountApiKeys(app, apiKeys)
  mountUsers(app, { users, admins, manageUsers })
  mountOneTime(app, { firstAdmin, setPassword, admins })
  mountInternal(app, { users, admins, apiKeys, keys, clock, keyTokenMs: config.authApiKeyTokenMs })
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
    { name: 'sessions', ...purge },
    { name: 'first user', start: first.look },
  ]
  const shell = createServiceShell({ service: 'auth-service', deps, app, listen, parts })
  const firstAdminToken = async () => (own && (await admins.read()).userIds.length === 0 ? own.token : null)
  return { ...shell, firstUser: () => first.found, firstAdminToken }
}
