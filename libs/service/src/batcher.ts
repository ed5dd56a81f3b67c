/** Collects the items of one iteration of the event loop. */
export interface Batcher<T> {
  add(item: T): void
  /** Hands over the items that wait, at once. */
  flush(): void
}

/** `onBatch` gets all items of an iteration together, in their order: one message to the store instead of one for each. */
export function createBatcher<T>(onBatch: (items: readonly T[]) => void): Batcher<T> {
  let items: T[] = []
  let scheduled: NodeJS.Immediate | null = null

  function flush(): void {
    if (scheduled) clearImmediate(scheduled)
    scheduled = null
    const batch = items
    if (batch.length === 0) return
    items = []
    onBatch(batch)
  }

  return {
    add(item) {
      items.push(item)
      scheduled ??= setImmediate(flush)
    },
    flush,
  }
}
