import type { Clock, Health, Logger, Metrics } from '@belfry/service'
import type { Registry } from './port.ts'
import { createStaticRegistry } from './static.ts'

export interface RegistryOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /**
   * The health of the process: a ready process registers as passing, before its first check. The registry adds a check of
   * its own, an advisory one, because calls go on with the last good list.
   */
  readonly health: Health
  /** Signs registrations; an instance without a valid signature is ignored. Without a key each instance is taken. */
  readonly key?: string | undefined
  /** What the registry shows about the instances of this process: version, mode. */
  readonly meta?: Readonly<Record<string, string>> | undefined
}

/**
 * Opens the registry that the URL names: `static:`, or `consul://host:port[/prefix]` (services are named
 * `<prefix>-<service>`, by default `belfry-job-service`). It resolves while Consul is away too. Throws a `TypeError` when
 * the URL is neither.
 */
export async function openRegistry(url: string, options: RegistryOptions): Promise<Registry> {
  if (url === 'static:') return createStaticRegistry()
  if (!url.startsWith('consul://')) {
    throw new TypeError(`A registry is static: or consul://host:port[/prefix], not ${url.split(':', 1)[0]}:`)
  }
  const { openConsulRegistry } = await import('./consul/index.ts')
  return openConsulRegistry(url, options)
}
