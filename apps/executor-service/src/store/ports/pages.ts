import type { RowId } from '@belfry/storage'

/** Rows of a list, and the cursor after the last of them; null when there are no more. */
export interface CursorPage<T, Cursor = RowId> {
  readonly rows: readonly T[]
  readonly next: Cursor | null
}

/** What a walk over children has removed, and the cursor from which it goes on; null after the last one. */
export interface PurgedPage<Cursor = RowId> {
  readonly purged: number
  readonly next: Cursor | null
}
