import type { Bus } from '@belfry/bus'
import type { Registry, RestClient } from '@belfry/discovery'
import type { ServiceTokens, TokenVerifier } from '@belfry/http'
import type { ServiceDeps } from '@belfry/service'

/** What a service is built from. A service that needs less takes a `Pick` or an `Omit` of it. */
export interface ServiceShellDeps<Stores, Config> extends ServiceDeps {
  /** Closed by their opener. */
  readonly stores: Stores
  readonly bus: Bus
  readonly registry: Registry
  /** The service's own calls to other services. */
  readonly rest: RestClient
  readonly tokens: TokenVerifier
  readonly serviceTokens: ServiceTokens
  /**
   * Where other processes reach this one. A host that is left out is the one that the service listens on, or the machine's
   * first address when it listens on all. Without it no other process is to reach this one.
   */
  readonly advertise?: { readonly host?: string | undefined; readonly port?: number | undefined }
  readonly config: Config
}
