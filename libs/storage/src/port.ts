declare const rowIdBrand: unique symbol

/**
 * Names a record to the store that gave it. Opaque to all others: it is handed back, compared and used as a key of a Map,
 * never calculated with or ordered. SQLite's are numbers, a document database's are strings.
 */
export type RowId = (string | number) & { readonly [rowIdBrand]: true }

/** Bounds of a page: rows, and bytes of them as stored. One row is read whatever its size. */
export interface PageBounds {
  readonly rows: number
  readonly bytes: number
}

/** The first rows within the bounds; `hasMore`: there may be others. */
export interface Page<T> {
  readonly rows: readonly T[]
  readonly hasMore: boolean
}

/** Named moments that are kept over restarts, epoch milliseconds: how far a loop has come. */
export interface CursorStore {
  /** 0 when nothing was written under the name. */
  read(name: string): Promise<number>
  write(name: string, at: number): Promise<void>
}
