import type { Bus } from '@belfry/bus'

/** The bus with the capabilities of a broker that may lose messages; it loses none. */
export function createLossyBus(bus: Bus): Bus {
  return { ...bus, capabilities: { ...bus.capabilities, storesBeforePublishResolves: false } }
}
