import { setImmediate as nextIteration } from 'node:timers/promises'

/** A document and the id that its store gave it. */
export interface Document<T> {
  readonly id: string
  readonly value: T
}

/**
 * A collection of a throw-away document database, for contract suites of stores: it shows whether a port fits such a database.
 * Ids are strings. Each verb reads or changes one document atomically; `find` reads documents one by one and may see some before
 * and some after a change. Every verb takes effect, and every answer arrives, after a delay of its own, so calls that are not
 * awaited run in any order. Values are copied in and out.
 */
export interface Documents<T> {
  get(id: string): Promise<T | undefined>
  /** The documents that match, in the order of their insertion. */
  find(matches: (value: T) => boolean): Promise<Document<T>[]>
  /** Inserts unless there is a document of that id, or one with the same value of a unique field; answers whether. */
  insert(id: string, value: T): Promise<boolean>
  /** Sets the document to what `change` makes of it, if it is there and `change` answers a value; answers the new value. */
  update(id: string, change: (value: T) => T | undefined): Promise<T | undefined>
  /** Removes the document if it is there and matches; answers whether. */
  remove(id: string, matches?: (value: T) => boolean): Promise<boolean>
}

export interface DocumentsOptions<T> {
  /** Fields with a unique index, as functions to the text that is unique. */
  readonly unique?: readonly ((value: T) => string)[]
  /** Most turns of the event loop that a verb waits before and after it takes effect. Default 3. */
  readonly delayTurns?: number
}

/** Numbers from 0 up to 1 that are the same in every run (the generator "mulberry32"). */
function createRandom(): () => number {
  let state = 0x2f6e2b1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function createDocuments<T>({ unique = [], delayTurns = 3 }: DocumentsOptions<T> = {}): Documents<T> {
  const documents = new Map<string, T>()
  const random = createRandom()

  const pause = async () => {
    for (let left = Math.floor(random() * (delayTurns + 1)); left > 0; left--) await nextIteration()
  }

  /** Does `work` at one moment between two delays. */
  const delayed = async <R>(work: () => R): Promise<R> => {
    await pause()
    const result = work()
    await pause()
    return result
  }

  const isTaken = (id: string, value: T) =>
    documents.has(id) || unique.some((field) => [...documents.values()].some((other) => field(other) === field(value)))

  return {
    get: (id) => delayed(() => structuredClone(documents.get(id))),
    async find(matches) {
      await pause()
      const found: Document<T>[] = []
      for (const id of [...documents.keys()]) {
        const value = documents.get(id)
        if (value !== undefined && matches(value)) found.push({ id, value: structuredClone(value) })
        if (random() < 0.2 && delayTurns > 0) await nextIteration()
      }
      await pause()
      return found
    },
    insert: (id, value) =>
      delayed(() => {
        if (isTaken(id, value)) return false
        documents.set(id, structuredClone(value))
        return true
      }),
    update: (id, change) =>
      delayed(() => {
        const value = documents.get(id)
        const changed = value === undefined ? undefined : change(structuredClone(value))
        if (changed !== undefined) documents.set(id, structuredClone(changed))
        return structuredClone(changed)
      }),
    remove: (id, matches = () => true) =>
      delayed(() => {
        const value = documents.get(id)
        return value !== undefined && matches(value) && documents.delete(id)
      }),
  }
}
