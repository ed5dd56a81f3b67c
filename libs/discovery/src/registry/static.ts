import type { ServiceName } from '@belfry/contracts'
import type { Instance, Registry } from './port.ts'

/** A table in memory: for one process that holds all services, and for tests. An instance stays until it deregisters. */
export function createStaticRegistry(): Registry {
  const table = new Map<ServiceName, readonly Instance[]>()
  /** The next instance of each service that `pick` takes. */
  const next = new Map<ServiceName, number>()
  const watchers = new Map<ServiceName, Set<(instances: readonly Instance[]) => void>>()

  const instances = (service: ServiceName) => table.get(service) ?? []

  const change = (service: ServiceName, list: readonly Instance[]) => {
    table.set(service, list)
    for (const watcher of watchers.get(service) ?? []) watcher(list)
  }

  return {
    async register(instance) {
      const others = instances(instance.service).filter((one) => one.id !== instance.id)
      change(instance.service, [...others, instance])
    },
    async deregister(instance) {
      const others = instances(instance.service).filter((one) => one.id !== instance.id)
      if (others.length < instances(instance.service).length) change(instance.service, others)
    },
    pick(service) {
      const list = instances(service)
      const index = (next.get(service) ?? 0) % (list.length || 1)
      next.set(service, index + 1)
      return list[index]
    },
    instances,
    watch(service, onChange) {
      const set = watchers.get(service) ?? new Set()
      watchers.set(service, set)
      set.add(onChange)
      return () => set.delete(onChange)
    },
    async close() {
      watchers.clear()
    },
  }
}
