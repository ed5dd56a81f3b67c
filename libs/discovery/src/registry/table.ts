import type { ServiceName } from '@belfry/contracts'
import type { Instance } from './port.ts'

type OnChange = (instances: readonly Instance[]) => void

/** The instances of each service, and who is to be called when they change. */
export interface InstanceTable {
  /** The same array until the instances change. */
  instances(service: ServiceName): readonly Instance[]
  change(service: ServiceName, list: readonly Instance[]): void
  watch(service: ServiceName, onChange: OnChange): () => void
}

/** The watches of one registry on a table. */
export interface Watches {
  /** Calls back at each change until the answer is called, or `end`. */
  watch(service: ServiceName, onChange: OnChange): () => void
  end(): void
}

const none: readonly Instance[] = []

export function createInstanceTable(): InstanceTable {
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

export function createWatches(table: Pick<InstanceTable, 'watch'>): Watches {
  const unwatchers = new Set<() => void>()
  return {
    watch(service, onChange) {
      const unwatch = table.watch(service, onChange)
      unwatchers.add(unwatch)
      return () => {
        unwatchers.delete(unwatch)
        unwatch()
      }
    },
    end() {
      for (const unwatch of unwatchers) unwatch()
      unwatchers.clear()
    },
  }
}

/** Goes round the instances of each service. */
export function createRoundRobin({
  instances,
}: Pick<InstanceTable, 'instances'>): (service: ServiceName) => Instance | undefined {
  const next = new Map<ServiceName, number>()
  return (service) => {
    const list = instances(service)
    const index = (next.get(service) ?? 0) % (list.length || 1)
    next.set(service, index + 1)
    return list[index]
  }
}
