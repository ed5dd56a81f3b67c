import type { ServiceName } from '@belfry/contracts'
import { createBalancer, createRestClient, type Registry } from '@belfry/discovery'
import { createServiceTokens, type ServiceTokens } from '@belfry/http'
import type { Clock, Metrics } from '@belfry/service'

/** Tokens of services over the key that all worlds of tests share. */
export function createTestServiceTokens(clock: Clock): ServiceTokens {
  return createServiceTokens({ key: 'k'.repeat(32), clock })
}

export interface TestCallsOptions {
  readonly caller: ServiceName
  readonly registry: Registry
  readonly clock: Clock
  readonly metrics: Metrics
  readonly serviceTokens: ServiceTokens
}

/** The calls of one service to others: a balancer with the default breaker, and a REST client over it. */
export function createTestCalls({ caller, registry, clock, metrics, serviceTokens }: TestCallsOptions) {
  const breaker = { timeoutMs: 3000, errorPercent: 50, resetMs: 10_000 }
  const balancer = createBalancer({ registry, clock, metrics, breaker, caller })
  const rest = createRestClient({ balancer, clock, signToken: () => serviceTokens.sign(caller) })
  return { balancer, rest }
}
