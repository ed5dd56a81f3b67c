import type { ServiceName } from '@belfry/contracts'
import { createBalancer, createRestClient, type Registry } from '@belfry/discovery'
import { createServiceTokens, type ServiceTokens } from '@belfry/http'
import { type Clock, createSystemClock, type Metrics } from '@belfry/service'

/** Tokens of services over the key that all worlds of tests share. */
export function createTestServiceTokens(clock: Clock): ServiceTokens {
  return createServiceTokens({ key: 'k'.repeat(32), clock })
}

export interface TestCallsOptions {
  readonly caller: ServiceName
  readonly registry: Registry
  readonly metrics: Metrics
  readonly serviceTokens: ServiceTokens
}

/**
 * The calls of one service to others: a balancer with the default breaker, and a REST client over it. They go over loopback and
 * take real time, so their time limits follow the system's clock: a test that advances a manual one must not end them.
 */
export function createTestCalls({ caller, registry, metrics, serviceTokens }: TestCallsOptions) {
  const clock = createSystemClock()
  const breaker = { timeoutMs: 3000, errorPercent: 50, resetMs: 10_000 }
  const balancer = createBalancer({ registry, clock, metrics, breaker, caller })
  const rest = createRestClient({ balancer, clock, signToken: () => serviceTokens.sign(caller) })
  return { balancer, rest }
}
