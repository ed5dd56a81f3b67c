/** Collects calls that are made in one turn, and sends them as one. */
export interface Batcher<Item, Result> {
  /** Resolves with the result of the item; rejects with its refusal, or with the error of the batch. */
  add(item: Item): Promise<Result>
}

export interface BatcherOptions<Item, Result> {
  /** One entry for each item, in their order. */
  send(items: readonly Item[]): Promise<readonly (Result | Error)[]>
  /** Items of one batch at most. */
  readonly mostItems: number
  /** What the items of a batch may be long together as JSON, characters; one item is sent whatever its length. */
  readonly mostCharacters: number
  /** Batches at a time; while so many are under way, calls wait and form the next one. */
  readonly atWork: number
  /** Calls back when the turn is over. */
  readonly defer: (callback: () => void) => void
}

interface Waiting<Item, Result> {
  readonly item: Item
  readonly length: number
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/**
 * From so many calls on, they go as two batches when none is under way: one is checked while the other one is stored. The callers
 * that await their calls come back in two parts then, and it stays at two batches.
 */
const leastToSplit = 32

/** How many of the first calls fit into one batch; one at least. */
function fitting(
  waiting: readonly { length: number }[],
  { mostItems, mostCharacters }: { mostItems: number; mostCharacters: number },
): number {
  let characters = 0
  let count = 0
  for (const { length } of waiting) {
    characters += length
    if (count === mostItems || (count > 0 && characters > mostCharacters)) break
    count += 1
  }
  return count
}

export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const { send, atWork, defer } = options
  let waiting: Waiting<Item, Result>[] = []
  let underWay = 0
  let isDeferred = false

  const sendSome = async (some: readonly Waiting<Item, Result>[]): Promise<void> => {
    try {
      const results = await send(some.map(({ item }) => item))
      for (const [at, { resolve, reject }] of some.entries()) {
        const result = results[at]
        if (result === undefined || result instanceof Error)
          reject(result ?? new Error('the batch has no result for the call'))
        else resolve(result)
      }
    } catch (error) {
      for (const { reject } of some) reject(error)
    }
  }

  const flush = (): void => {
    isDeferred = false
    while (waiting.length > 0 && underWay < atWork) {
      const isSplit = underWay === 0 && atWork > 1 && waiting.length >= leastToSplit
      const most = isSplit ? Math.ceil(waiting.length / 2) : waiting.length
      const count = Math.min(most, fitting(waiting, options))
      const some = waiting.slice(0, count)
      waiting = waiting.slice(count)
      underWay += 1
      void sendSome(some).finally(() => {
        underWay -= 1
        later()
      })
    }
  }

  const later = (): void => {
    if (isDeferred || waiting.length === 0) return
    isDeferred = true
    defer(flush)
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, length: JSON.stringify(item).length, resolve, reject })
        later()
      }),
  }
}
