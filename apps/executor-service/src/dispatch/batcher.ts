/** Gathers what comes in one turn of the loop. */
export interface Batcher<T> {
  add(item: T): void
  /** What has not been flushed yet, at once. */
  flush(): void
}

/** `onBatch` gets everything of a turn together: one message to the store instead of one for each. */
export function createBatcher<T>(onBatch: (items: readonly T[]) => void): Batcher<T> {
  let items: T[] = []
  let turn: NodeJS.Immediate | null = null

  function flush(): void {
    if (turn) clearImmediate(turn)
    turn = null
    const batch = items
    if (batch.length === 0) return
    items = []
    onBatch(batch)
  }

  return {
    add(item) {
      items.push(item)
      turn ??= setImmediate(flush)
    },
    flush,
  }
}
