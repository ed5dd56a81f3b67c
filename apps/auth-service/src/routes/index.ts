import { createRateLimiter, type HttpApp } from '@belfry/http'
import type { Clock, ServiceDeps } from '@belfry/service'
import type { AuthConfig } from '../config.ts'
import type { UseCases } from '../use-cases.ts'
import { mountAccounts } from './accounts.ts'
import { mountApiKeys } from './api-keys.ts'
import { mountInternal } from './internal.ts'
import { mountKeys } from './keys.ts'
import { mountOneTime } from './one-time.ts'
import { createLoginReplies } from './replies.ts'
import { mountSessions } from './sessions.ts'
import { mountUsers } from './users.ts'

function loginLimitOf({ authLoginsPerMinute: quota, authLoginAccounts: keys }: AuthConfig, clock: Clock) {
  const counts = 'logins to one account'
  return createRateLimiter({ name: 'login-account', counts, quota, windowMs: 60_000, keys, clock })
}

/** All routes of auth-service. */
export function mountRoutes(
  app: HttpApp,
  useCases: UseCases,
  config: AuthConfig,
  { clock, metrics }: Pick<ServiceDeps, 'clock' | 'metrics'>,
): void {
  const { keys, apiKeys } = useCases
  const logins = metrics.counter('belfry_auth_logins_total', 'Logins by outcome', ['outcome'])
  const refreshes = metrics.counter('belfry_auth_refreshes_total', 'Refreshes of a login by outcome', ['outcome'])
  const replyFor = createLoginReplies(keys, clock, config.authTokenLifetimeMs)
  const deps = { ...useCases, replyFor, logins, refreshes, loginLimit: loginLimitOf(config, clock) }
  mountAccounts(app, deps)
  mountSessions(app, deps)
  mountApiKeys(app, apiKeys)
  mountUsers(app, deps)
  mountOneTime(app, deps)
  mountInternal(app, { ...deps, clock, keyTokenMs: config.authApiKeyTokenMs })
  mountKeys(app, keys)
}
