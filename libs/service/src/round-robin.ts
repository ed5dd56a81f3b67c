/** What waits, by key: the key that was served longest ago comes first, so one with much that waits delays another by one. */
export interface RoundRobin<T> {
  size(): number
  sizeOf(key: string): number
  push(key: string, item: T): void
  /** The first item of each key that fits, in the order of the keys' turns. It may be removed meanwhile. */
  firsts(fits?: (item: T) => boolean): Iterable<readonly [key: string, item: T]>
  /** Takes an item out, and puts its key behind the others. */
  remove(key: string, item: T): void
}

const all = () => true

export function createRoundRobin<T>(): RoundRobin<T> {
  const queues = new Map<string, readonly T[]>()
  let size = 0
  return {
    size: () => size,
    sizeOf: (key) => queues.get(key)?.length ?? 0,
    push(key, item) {
      queues.set(key, [...(queues.get(key) ?? []), item])
      size += 1
    },
    *firsts(fits = all) {
      for (const [key, items] of queues) {
        const index = items.findIndex(fits)
        if (index >= 0) yield [key, items[index] as T]
      }
    },
    remove(key, item) {
      const items = queues.get(key) ?? []
      const left = items.filter((other) => other !== item)
      size -= items.length - left.length
      queues.delete(key)
      if (left.length > 0) queues.set(key, left)
    },
  }
}
