import type { Bus } from '@belfry/bus'
import type { Balancer, ListenAddress, Registry, RestClient } from '@belfry/discovery'
import type { createHttpApp, ServiceTokens, TokenVerifier } from '@belfry/http'
import type { MetricsRegistry, ServiceDeps } from '@belfry/service'

/** What a service is built from. A service that needs less takes a `Pick` or an `Omit` of it. */
export interface ServiceShellDeps<Stores, Config> extends ServiceDeps {
  /** Closed by their opener. */
  readonly stores: Stores
  readonly bus: Bus
  readonly registry: Registry
  /** The service's own calls to other services. */
  readonly rest: RestClient
  /** What `rest` calls through. Given, the service shows its breakers to the gateway. */
  readonly balancer?: Balancer
  /** Of a process of its own: the service shows it at `/metrics`. */
  readonly metricsRegistry?: MetricsRegistry
  readonly tokens: TokenVerifier
  readonly serviceTokens: ServiceTokens
  /** Where other processes reach this one, when it is not where the service listens. */
  readonly advertise?: ListenAddress['advertise']
  /** Opens the service's app. Default: `createHttpApp`; the simulation opens it with the routes that it calls alone. */
  readonly openApp?: typeof createHttpApp
  readonly config: Config
}
