import { isLoopbackHost } from '@belfry/http'
import type { Clock, ServiceDeps } from '@belfry/service'
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
import { createSessions } from './sessions/sessions.ts'
import type { Stores } from './store/ports.ts'
import { newSecret } from './tokens/opaque-token.ts'

/** How long a replaced key is published beyond the life of a token: twice the skew of the clocks. */
const skewMs = 60_000
/** A verifier fetches the keys at most once in 10 s (`createTokenVerifier`), so a key that signs is three times as old. */
const publishMs = 30_000
/** More than the clocks of two instances are apart. */
const settledMs = 600_000
/** How old the keys that an instance knows may be when it signs; a login reads the store anyway. */
const readKeysEveryMs = 5_000

function rotationOf(config: AuthConfig): RotationRule {
  const { authKeyLifetimeMs, authKeyCheckMs, authTokenLifetimeMs, authApiKeyTokenMs } = config
  const tokenMs = Math.max(authTokenLifetimeMs, authApiKeyTokenMs)
  const overlapMs = 2 * authKeyCheckMs + settledMs + tokenMs + skewMs
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

/** Short passwords are for one machine alone (docs/network.md). */
function acceptsShortPasswords({ mode, host, authHost }: AuthConfig): boolean {
  return mode === 'standalone' && isLoopbackHost(host) && isLoopbackHost(authHost)
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

export interface UseCaseDeps extends Pick<ServiceDeps, 'clock' | 'log' | 'ids'> {
  readonly stores: Stores
  readonly config: AuthConfig
}

/** What the routes call, wired: each part gets its stores and its rules of the configuration. */
export function createUseCases({ clock, log, ids, stores, config }: UseCaseDeps) {
  const { users } = stores
  const acceptsShort = acceptsShortPasswords(config)
  const passwords = passwordsOf(config)
  const rule = rotationOf(config)
  const keys = createKeyRing({ store: stores.keys, clock, ids, log, rule, readEveryMs: readKeysEveryMs })
  const first = createFirstUser(users, log)
  const admins = createAdmins(stores.admins, config.authMostAdmins)
  const common = { users, admins, passwords, clock, ids, log, acceptsShort, onSignedUp: first.look }
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
  const apiKeys = createApiKeys({
    ...common,
    apiKeys: stores.apiKeys,
    mostPerUser: config.authApiKeysPerUser,
    lastUseMs: config.authApiKeyUseMs,
  })
  const { authSignup: mode, authInviteLifetimeMs: inviteLifetimeMs } = config
  const firstAdminTokens = firstAdminTokensOf(config, clock)
  return {
    users,
    keys,
    first,
    admins,
    sessions,
    apiKeys,
    logIn,
    signUp: createSignUp({ ...common, mode }),
    setPassword: createSetPassword({ ...common, sessions, logIn }),
    manageUsers: createManageUsers({ ...common, sessions, mode, inviteLifetimeMs }),
    firstAdmin: createFirstAdmin({
      ...common,
      signUp: createSignUp({ ...common, mode: 'open' }),
      logIn,
      tokens: firstAdminTokens.tokens,
    }),
    /** The one-time token of this start, as long as there is no admin. */
    async firstAdminToken(): Promise<string | null> {
      const { own } = firstAdminTokens
      return own && (await admins.read()).userIds.length === 0 ? own.token : null
    },
    async warnOfShortPasswords(): Promise<void> {
      const affected = acceptsShort ? 0 : await users.countShortPasswords()
      if (affected > 0)
        log.warn({ users: affected }, 'users with a short password cannot log in while the network reaches Belfry')
    },
  }
}
export type UseCases = ReturnType<typeof createUseCases>
