import type { ServiceName } from '@belfry/contracts'
import type { Instance, Registry } from './port.ts'
import { createInstanceTable, createRoundRobin, createWatches, type InstanceTable } from './table.ts'

/** The instances that static registries share. */
export type StaticTable = InstanceTable

export function createStaticTable(): StaticTable {
  return createInstanceTable()
}

/**
 * A table in memory: for one process that holds all services, and for tests. An instance stays until it deregisters.
 * A registry holds one instance of each service as its own; a test of several instances gives each a registry on one table.
 */
export function createStaticRegistry(table: StaticTable = createStaticTable()): Registry {
  const { instances, change } = table
  const owned = new Map<ServiceName, Instance>()
  const watches = createWatches(table)

  return {
    async register(instance) {
      const others = instances(instance.service).filter((one) => one.id !== instance.id)
      owned.set(instance.service, instance)
      change(instance.service, [...others, instance])
    },
    async deregister(instance) {
      const others = instances(instance.service).filter((one) => one.id !== instance.id)
      if (owned.get(instance.service)?.id === instance.id) owned.delete(instance.service)
      if (others.length < instances(instance.service).length) change(instance.service, others)
    },
    pick: createRoundRobin(table),
    own: (service) => owned.get(service),
    instances,
    watch: watches.watch,
    async close() {
      watches.end()
    },
  }
}
