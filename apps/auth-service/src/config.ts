import { auditConfig } from '@belfry/audit'
import { retentionClockConfig, secretKey } from '@belfry/service'
import { z } from 'zod'

const count = z.coerce.number().int()

/** What auth-service reads from the environment, each with the prefix `BELFRY_` (docs/configuration.md). */
export const authConfig = z.object({
  /** Standalone: short passwords are taken while the gateway listens on loopback. */
  mode: z.enum(['standalone', 'distributed']).default('standalone'),
  /** The address that the gateway listens on; while it is a loopback address short passwords are taken. */
  host: z.string().min(1).default('127.0.0.1'),
  /** The address that auth-service listens on; the network reaches the gateway only. */
  authHost: z.string().min(1).default('127.0.0.1'),
  /** The port that auth-service listens on; 0 takes any free one. */
  authPort: count.min(0).max(65_535).default(0),
  /** Passwords hashed at the same time. Each takes a thread of the pool and 19 MiB for about 75 ms. */
  authHashConcurrency: count.min(1).max(64).default(2),
  /** Logins that may be under way beside those whose password is at a hash thread; beyond it a login is refused with 503. They go before sign-ups. */
  authHashWaiting: count.min(0).max(10_000).default(50),
  /** Sign-ups that may wait for the one hash that they have at a time; beyond it a sign-up is refused with 503. */
  authSignupWaiting: count.min(0).max(10_000).default(50),
  /** How many of these sign-ups may come from one address. */
  authSignupWaitingPerAddress: count.min(0).max(10_000).default(10),
  /** Logins to one account in 60 s, right and wrong ones. */
  authLoginsPerMinute: count.min(1).default(10),
  /** Accounts whose logins are remembered; beyond it the one that was asked for least recently is forgotten. */
  authLoginAccounts: count.min(1).max(10_000_000).default(100_000),
  /** Memory of one hash, KiB; at least 8. Applies to passwords that are set from now on. */
  authHashMemoryKib: count.min(8).max(1_048_576).default(19_456),
  /** Passes of one hash over its memory. */
  authHashPasses: count.min(1).max(100).default(2),
  /** Wrong passwords in a row that cost nothing. */
  authFreeGuesses: count.min(1).max(100).default(5),
  /** Wait after the next wrong one, milliseconds; doubles with each further one. */
  authGuessDelayMs: count.min(1).default(1_000),
  /** Longest wait after wrong passwords, milliseconds. */
  authGuessDelayMaxMs: count.min(1).default(60_000),
  /** Names without a user whose wrong passwords are counted too. */
  authUnknownNames: count.min(1).max(1_000_000).default(10_000),
  /** How long an access token is good, milliseconds. */
  authTokenLifetimeMs: count.min(1_000).max(86_400_000).default(900_000),
  /** Who may sign up: `open` everyone, `invite` those for whom an admin makes a user, `closed` no new users at all. */
  authSignup: z.enum(['open', 'invite', 'closed']).default('open'),
  /**
   * Makes the first admin, once (`POST /auth/bootstrap`): a random text of at least 32 bytes. Without it a distributed Belfry gets
   * no admin; a standalone one prints a link with a token of its own at each start until there is one.
   */
  bootstrapToken: secretKey().optional().meta({ isSecret: true }),
  /** How long the token in the link of a standalone start is good, milliseconds. */
  authFirstAdminMs: count.min(1_000).default(600_000),
  /** Admins at most. */
  authMostAdmins: count.min(1).max(1_000).default(100),
  /** How long an invitation to set a password can be used, milliseconds. */
  authInviteLifetimeMs: count.min(60_000).default(7 * 86_400_000),
  /** How long a login can be refreshed before the password is asked for again, milliseconds. */
  authRefreshLifetimeMs: count.min(60_000).default(30 * 86_400_000),
  /** How long after it was replaced a refresh token gives the same successor again, milliseconds: an answer may be lost. */
  authRefreshGraceMs: count.min(0).max(300_000).default(10_000),
  /** Logins of one user that can be refreshed; beyond it the one that was used least recently ends. */
  authSessionsPerUser: count.min(1).max(500).default(20),
  /** How often logins that have ended are cleared away, milliseconds. */
  authPurgeMs: count.min(1_000).default(3_600_000),
  /** How many of them are cleared away at a time. */
  authPurgeBatch: count.min(1).max(10_000).default(500),
  /** API keys of one user. */
  authApiKeysPerUser: count.min(1).max(1_000).default(50),
  /** How long the token is good that a gateway gets for an API key, milliseconds. */
  authApiKeyTokenMs: count.min(10_000).max(300_000).default(60_000),
  /** How exactly the last use of an API key is stored, milliseconds. */
  authApiKeyUseMs: count.min(1_000).default(60_000),
  /** How long a key signs before the next one takes over, milliseconds; longer than any token, so that two suffice. */
  authKeyLifetimeMs: count.min(86_400_000).default(90 * 86_400_000),
  /** How often the keys are looked at, milliseconds. */
  authKeyCheckMs: count.min(1_000).default(3_600_000),
  ...retentionClockConfig,
  ...auditConfig,
})
export type AuthConfig = z.output<typeof authConfig>
