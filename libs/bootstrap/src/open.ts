import { type Bus, createMemoryBus, type MemoryBusOptions } from '@belfry/bus'
import { createStaticRegistry, type Registry } from '@belfry/discovery'
import type { ProcessBase } from './base.ts'
import type { BusConfig, DistributedConfig } from './config.ts'
import { StartError } from './explain.ts'

/** The bus of a process that holds all services. `groups` belong to each topic. */
export async function openMemoryBus(
  { clock, ids, metrics }: ProcessBase,
  sender: string,
  groups: MemoryBusOptions['groups'],
): Promise<Bus> {
  return createMemoryBus({ clock, ids, metrics, sender, ...(groups && { groups }) })
}

export async function openStaticRegistry(): Promise<Registry> {
  return createStaticRegistry()
}

export interface OpenBusOptions {
  /** Service and instance. */
  readonly sender: string
  /** Called once when the bus can take no messages any more. */
  readonly onFatal: (error: unknown) => void
}

/** The bus between processes. */
export async function openBusOf(_base: ProcessBase, config: BusConfig, _options: OpenBusOptions): Promise<Bus> {
  throw new StartError(`BELFRY_BUS_URL: ${config.busUrl.split(':', 1)} is not built yet`)
}

/** The registry of all processes. */
export async function openRegistryOf(_base: ProcessBase, config: DistributedConfig): Promise<Registry> {
  throw new StartError(`BELFRY_REGISTRY_URL: ${config.registryUrl.split(':', 1)} is not built yet`)
}
