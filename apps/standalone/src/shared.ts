import { randomBytes } from 'node:crypto'
import { createMemoryBus } from '@belfry/bus'
import type { ServiceName } from '@belfry/contracts'
import { createBalancer, createRestClient, createStaticRegistry, type RestClient } from '@belfry/discovery'
import { createServiceTokens, createTokenVerifier, readJwks } from '@belfry/http'
import {
  createHealth,
  createIds,
  createMetrics,
  createSystemClock,
  type Logger,
  type ServiceDeps,
} from '@belfry/service'
import type { StorageError } from '@belfry/storage'
import { openStoreThread } from '@belfry/storage/sqlite'
import manifest from '../package.json' with { type: 'json' }
import type { StandaloneConfig } from './config.ts'

/** The groups that belong to each topic (the messages between the services). */
const groups = {
  'job-changes': ['scheduler-service'],
  'job-execute': ['executor-service'],
  'job-status': ['job-service', 'scheduler-service'],
}

/** What the services of one process share. */
export function createShared(config: StandaloneConfig, log: Logger, onFatal: (error: StorageError) => void) {
  const clock = createSystemClock()
  const ids = createIds()
  const metricsRegistry = createMetrics({ defaults: true, version: manifest.version })
  const registry = createStaticRegistry()
  const bus = createMemoryBus({
    clock,
    ids,
    sender: 'standalone',
    metrics: metricsRegistry.forService('standalone'),
    groups,
  })
  // A key per start is enough: only this process uses it.
  const serviceTokens = createServiceTokens({ key: randomBytes(32), clock })
  const thread = openStoreThread({
    crashAt: process.env.BELFRY_CRASH_AT,
    metrics: metricsRegistry.forService('standalone'),
    onFatal,
  })
  const breaker = {
    timeoutMs: config.breakerTimeoutMs,
    errorPercent: config.breakerErrorPercent,
    resetMs: config.breakerResetMs,
  }

  /** The dependencies of one service, bound to its name. */
  const depsOf = (service: ServiceName): ServiceDeps => {
    const bound = log.child({ service })
    const health = createHealth({ clock, log: bound })
    return { clock, ids, log: bound, metrics: metricsRegistry.forService(service), health }
  }

  /** The calls of one service to others. */
  const callsOf = (caller: ServiceName) => {
    const balancer = createBalancer({ registry, clock, metrics: metricsRegistry.forService(caller), breaker, caller })
    return { balancer, rest: createRestClient({ balancer, clock, signToken: () => serviceTokens.sign(caller) }) }
  }

  /** Verifies access tokens with the keys that auth-service publishes. */
  const tokensOf = (rest: RestClient) => {
    const path = '/auth/.well-known/jwks.json'
    const jwks = async () => readJwks((await rest.request({ service: 'auth-service', method: 'GET', path })).body)
    return createTokenVerifier({ clock, jwks })
  }

  return { clock, ids, metricsRegistry, registry, bus, serviceTokens, thread, depsOf, callsOf, tokensOf }
}
export type Shared = ReturnType<typeof createShared>
