declare const rowIdBrand: unique symbol

/**
 * Names a record to the store that made it. Opaque elsewhere: other code hands it back, compares it and uses it as a key of a
 * Map, and never calculates with it or orders it. SQLite's are numbers, a document database's are strings.
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

/** Named whole numbers that survive a restart: the positions of loops, as moments (epoch milliseconds) or change numbers. */
export interface CursorStore {
  /** 0 when nothing was written under the name. */
  read(name: string): Promise<number>
  write(name: string, value: number): Promise<void>
}
