import type { Bus } from '@belfry/bus'

/** The bus, which says of itself that it may lose messages, as a broker may; it loses none. */
export function createLossyBus(bus: Bus): Bus {
  return { ...bus, capabilities: { ...bus.capabilities, storesBeforePublishResolves: false } }
}
