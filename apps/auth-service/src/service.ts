import { createAuditLog, mountAudit } from '@belfry/audit'
import { createPeerShare, createPeerTurns } from '@belfry/discovery'
import { createHttpApp, createTokenVerifier } from '@belfry/http'
import { createLoop, createRetentionClock } from '@belfry/service'
import { createServiceShell, type ServiceShell, type ServiceShellDeps } from '@belfry/shell'
import type { AuthConfig } from './config.ts'
import { mountRoutes } from './routes/index.ts'
import type { Stores } from './store/ports.ts'
import { createUseCases } from './use-cases.ts'

export type AuthServiceDeps = Omit<ServiceShellDeps<Stores, AuthConfig>, 'bus' | 'rest' | 'tokens'>

export interface AuthService extends ServiceShell {
  /** Resolves with the id of the first user of all, once there is one: at the start, or when that user signs up. */
  firstUser(): Promise<string>
  /** The one-time token that makes the first admin, as long as there is none and the token is of this start (standalone). */
  firstAdminToken(): Promise<string | null>
}

export function createAuthService(deps: AuthServiceDeps): AuthService {
  const { clock, log, stores, config, serviceTokens } = deps
  const useCases = createUseCases(deps)
  const { keys, sessions, first } = useCases
  // auth-service verifies with its own keys, without a call.
  const tokens = createTokenVerifier({ jwks: keys.published, clock })
  const app = createHttpApp({ service: 'auth-service', deps, tokens, serviceTokens })
  const retentionClock = createRetentionClock({ deps, marks: stores.cursors, config })
  const takesTurn = createPeerTurns(createPeerShare({ registry: deps.registry, service: 'auth-service' }))
  const audit = createAuditLog({ deps, store: stores.audit, config, retentionClock, takesTurn })
  audit.record(app)
  mountAudit(app, audit)
  mountRoutes(app, useCases, config, deps)
  const rotation = createLoop({ name: 'keys', everyMs: config.authKeyCheckMs, runOnce: keys.rotate, clock, log })
  const purge = createLoop({ name: 'sessions', everyMs: config.authPurgeMs, runOnce: sessions.purge, clock, log })
  const listen = { host: config.authHost, port: config.authPort }
  const parts = [
    { name: 'retention clock', start: retentionClock.open },
    audit.part,
    { name: 'first key', start: keys.rotate },
    { name: 'short passwords', start: useCases.warnOfShortPasswords },
    { name: 'keys', ...rotation },
    { name: 'sessions', ...purge },
    { name: 'first user', start: first.look },
  ]
  const shell = createServiceShell({ service: 'auth-service', deps, app, listen, parts })
  return { ...shell, firstUser: () => first.found, firstAdminToken: useCases.firstAdminToken }
}
