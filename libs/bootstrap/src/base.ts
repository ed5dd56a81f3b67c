import { randomBytes } from 'node:crypto'
import type { ServiceName } from '@belfry/contracts'
import { createBalancer, createRestClient, type Registry, type RestClient } from '@belfry/discovery'
import { createServiceTokens, createTokenVerifier, readJwks } from '@belfry/http'
import {
  createHealth,
  createIds,
  createMetrics,
  createSystemClock,
  type Logger,
  type Metrics,
  type ServiceDeps,
} from '@belfry/service'
import manifest from '../package.json' with { type: 'json' }
import type { ProcessConfig } from './config.ts'

/** Of all packages. */
export const version: string = manifest.version

/** Sets the size of libuv's pool. libuv reads it when the pool is used for the first time, so this comes before anything else. */
export function setThreads({ threads }: Pick<ProcessConfig, 'threads'>): void {
  process.env.UV_THREADPOOL_SIZE = String(threads)
}

/** Clock, ids, log and metrics of a process. `name` is the label of metrics that belong to no one service. */
export function createBase(name: string, log: Logger) {
  const clock = createSystemClock()
  const ids = createIds()
  const metricsRegistry = createMetrics({ defaults: true, version })
  const metrics: Metrics = metricsRegistry.forService(name)

  /** The dependencies of one service, bound to its name. */
  const depsOf = (service: ServiceName): ServiceDeps => {
    const bound = log.child({ service })
    const health = createHealth({ clock, log: bound })
    return { clock, ids, log: bound, metrics: metricsRegistry.forService(service), health }
  }
  return { clock, ids, log, metrics, metricsRegistry, depsOf }
}
export type ProcessBase = ReturnType<typeof createBase>

/** The calls between services: who may make them, and how they are guarded. Without a `serviceKey` one is made for this process. */
export function createCalls(
  { clock, metricsRegistry }: ProcessBase,
  registry: Registry,
  config: ProcessConfig,
  serviceKey: string | Uint8Array = randomBytes(32),
) {
  const serviceTokens = createServiceTokens({ key: serviceKey, clock })
  const breaker = {
    timeoutMs: config.breakerTimeoutMs,
    errorPercent: config.breakerErrorPercent,
    resetMs: config.breakerResetMs,
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

  return { serviceTokens, callsOf, tokensOf }
}
