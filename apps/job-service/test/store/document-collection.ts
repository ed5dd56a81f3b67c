import type { RowId } from '@belfry/storage'
import { frozen } from '@belfry/testkit'

/** A document with its id. */
export type Stored<D> = D & { readonly rowId: RowId }

/** What a document database does with one collection. Each step looks at and changes one document at a time. */
export interface Collection<D> {
  /** Null when a unique index has one of the document's names already. */
  insert(document: D): Promise<RowId | null>
  get(rowId: RowId): Promise<Stored<D> | undefined>
  findOne(fits: (document: Stored<D>) => boolean): Promise<Stored<D> | undefined>
  /** All that fit, sorted; each read at a moment of its own. */
  find(
    fits: (document: Stored<D>) => boolean,
    order?: (a: Stored<D>, b: Stored<D>) => number,
    limit?: number,
  ): Promise<Stored<D>[]>
  /** Changes the first document that fits, in one step. False when none does, or a unique index forbids it. */
  updateOne(
    fits: (document: Stored<D>) => boolean,
    change: Partial<D> | ((document: Stored<D>) => Partial<D>),
  ): Promise<boolean>
  deleteOne(fits: (document: Stored<D>) => boolean): Promise<boolean>
}

export interface CollectionOptions<D> {
  /** From 0 up to 1, for the row ids. */
  readonly random?: () => number
  /** Called with each document that is stored, at that moment. */
  readonly onWrite?: ((document: D) => void) | undefined
}

/** A collection whose documents went through JSON: what comes out is frozen. */
export function createCollection<D extends object>(
  latency: () => Promise<void>,
  uniqueNames: (document: D) => readonly string[],
  { random = Math.random, onWrite }: CollectionOptions<D> = {},
): Collection<D> {
  let ids = 0
  const documents = new Map<RowId, Stored<D>>()
  const store = (rowId: RowId, document: D) => {
    documents.set(rowId, frozen({ ...(JSON.parse(JSON.stringify(document)) as D), rowId }))
    onWrite?.(document)
  }
  const all = () => [...documents.values()]
  const isTaken = (document: D, own: RowId | null) => {
    const names = new Set(uniqueNames(document))
    return all().some((other) => other.rowId !== own && uniqueNames(other).some((name) => names.has(name)))
  }
  /** A step happens at one moment between its call and its answer. */
  const step = async <T>(body: () => T): Promise<T> => {
    await latency()
    const answer = body()
    await latency()
    return answer
  }
  return {
    insert: (document) =>
      step(() => {
        if (isTaken(document, null)) return null
        const rowId = `${random().toString(36).slice(2)}${ids++}` as RowId
        store(rowId, document)
        return rowId
      }),
    get: (rowId) => step(() => documents.get(rowId)),
    findOne: (fits) => step(() => all().find(fits)),
    async find(fits, order = () => 0, limit = Number.POSITIVE_INFINITY) {
      return step(() => all().filter(fits).sort(order).slice(0, limit))
    },
    updateOne: (fits, change) =>
      step(() => {
        const document = all().find(fits)
        if (!document) return false
        const { rowId, ...changed } = {
          ...document,
          ...(typeof change === 'function' ? change(document) : change),
        }
        if (isTaken(changed as unknown as D, rowId)) return false
        store(rowId, changed as unknown as D)
        return true
      }),
    deleteOne: (fits) =>
      step(() => {
        const document = all().find(fits)
        return document !== undefined && documents.delete(document.rowId)
      }),
  }
}
