import { randomUUID } from 'node:crypto'
import { frozen } from '@belfry/testkit'

/** A few iterations of the event loop, as many as a seeded generator says. */
export type Delay = () => Promise<void>

export function createDelay(seed: number, iterations = 4): Delay {
  let state = seed
  return async () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    for (let left = (state >>> 16) % iterations; left > 0; left -= 1)
      await new Promise((resolve) => setImmediate(resolve))
  }
}

/**
 * A collection of a document database. One call changes one document; calls that are under way together are done in any
 * order and answered in any order. What goes in is copied, what comes out is frozen.
 */
export interface Collection<T extends object> {
  /** False when a document of this id is there, or one with the same unique key. */
  insert(id: string, document: T): Promise<boolean>
  get(id: string): Promise<T | undefined>
  /** Documents in order of their id. */
  find(filter: (document: T, id: string) => boolean): Promise<readonly (readonly [id: string, document: T])[]>
  /** Stores what `change` makes of the document; undefined leaves it as it is. Whether there was a change. */
  update(id: string, change: (document: T) => T | undefined): Promise<boolean>
  /** The same where there may be none. */
  upsert(id: string, change: (document: T | undefined) => T | undefined): Promise<boolean>
  /** False when there is none for which `filter` holds. */
  remove(id: string, filter?: (document: T) => boolean): Promise<boolean>
}

/** `keyOf`: a unique index besides that of the id. `onWrite` is called with each document that is stored. */
export function createCollection<T extends object>(
  delay: Delay,
  keyOf?: (document: T) => string,
  onWrite?: (document: T) => void,
): Collection<T> {
  const documents = new Map<string, T>()

  async function call<R>(work: () => R): Promise<R> {
    await delay()
    const answer = work()
    await delay()
    return answer
  }

  function upsert(id: string, change: (document: T | undefined) => T | undefined): boolean {
    const next = change(documents.get(id))
    if (next === undefined) return false
    const stored = frozen(structuredClone(next))
    documents.set(id, stored)
    onWrite?.(stored)
    return true
  }

  return {
    insert: (id, document) =>
      call(() => {
        const isTaken = keyOf && [...documents.values()].some((one) => keyOf(one) === keyOf(document))
        return !isTaken && upsert(id, (known) => (known === undefined ? document : undefined))
      }),
    get: (id) => call(() => documents.get(id)),
    find: (filter) =>
      call(() => [...documents].filter(([id, document]) => filter(document, id)).sort(([a], [b]) => (a < b ? -1 : 1))),
    update: (id, change) => call(() => upsert(id, (known) => known && change(known))),
    upsert: (id, change) => call(() => upsert(id, change)),
    remove: (id, filter = () => true) =>
      call(() => {
        const known = documents.get(id)
        return known !== undefined && filter(known) && documents.delete(id)
      }),
  }
}

/** An id that says nothing about when its document was stored. */
export const randomId = (): string => randomUUID()
