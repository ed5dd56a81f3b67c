import type { Registry } from '@belfry/discovery'
import type { Clock } from '@belfry/service'

/**
 * A registry whose `deregister` resolves `drainMs` after the instance has left: until then the views of other processes may
 * still contain it, so the process still takes calls.
 */
export function drainingRegistry(registry: Registry, { clock, drainMs }: { clock: Clock; drainMs: number }): Registry {
  return {
    ...registry,
    async deregister(instance) {
      await registry.deregister(instance)
      await new Promise<void>((resolve) => clock.callAfter(drainMs, resolve))
    },
  }
}
