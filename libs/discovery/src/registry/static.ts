import type { ServiceName } from '@belfry/contracts'
import type { Instance, Registry } from './port.ts'

type OnChange = (instances: readonly Instance[]) => void

/** The instances that static registries share. */
export interface StaticTable {
  instances(service: ServiceName): readonly Instance[]
  change(service: ServiceName, list: readonly Instance[]): void
  watch(service: ServiceName, onChange: OnChange): () => void
}

const none: readonly Instance[] = []

export function createStaticTable(): StaticTable {
  const lists = new Map<ServiceName, readonly Instance[]>()
  const watchers = new Map<ServiceName, Set<OnChange>>()
  return {
    instances: (service) => lists.get(service) ?? none,
    change(service, list) {
      lists.set(service, list)
      for (const watcher of watchers.get(service) ?? []) watcher(list)
    },
    watch(service, onChange) {
      const set = watchers.get(service) ?? new Set()
      watchers.set(service, set)
      set.add(onChange)
      return () => set.delete(onChange)
    },
  }
}

/**
 * A table in memory: for one process that holds all services, and for tests. An instance stays until it deregisters.
 * A registry holds one instance of each service as its own; a test of several instances gives each a registry on one table.
 */
export function createStaticRegistry(table: StaticTable = createStaticTable()): Registry {
  const { instances, change } = table
  /** The next instance of each service that `pick` takes. */
  const next = new Map<ServiceName, number>()
  const owned = new Map<ServiceName, Instance>()
  const unwatchers = new Set<() => void>()

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
    pick(service) {
      const list = instances(service)
      const index = (next.get(service) ?? 0) % (list.length || 1)
      next.set(service, index + 1)
      return list[index]
    },
    own: (service) => owned.get(service),
    instances,
    watch(service, onChange) {
      const unwatch = table.watch(service, onChange)
      unwatchers.add(unwatch)
      return () => {
        unwatchers.delete(unwatch)
        unwatch()
      }
    },
    async close() {
      for (const unwatch of unwatchers) unwatch()
      unwatchers.clear()
    },
  }
}
