import type { RowId } from '@belfry/storage'
import type { JobConfig } from '../config.ts'
import type { ListPosition, ListQuery, LongField, Summary } from '../store/ports.ts'

/** Which page of a list: at most `limit` rows after a position (null: from the newest on). */
export interface PageRequest {
  readonly limit: number
  readonly after: ListPosition | null
  /** The long fields that are shown. */
  readonly fields: readonly LongField[]
}

/** `next`: where the next page begins; null on the last one. A page may be short although more follow. */
export interface Rows<T> {
  readonly rows: readonly { readonly row: T; readonly position: ListPosition }[]
  readonly next: ListPosition | null
}

interface List<S extends Summary, T> {
  list(query: ListQuery): Promise<readonly S[]>
  /** Whether a row is on the list; null: every one is. */
  readonly fits: ((row: S) => boolean) | null
  /** Whether a row that was read is still on the list: it may have changed since it was looked at. Null where it is. */
  readonly stillFits: ((row: T) => boolean) | null
  /** The place of the first of these rows that stands elsewhere by now, further on; -1 without one. The list is read again behind it. */
  move?(rows: readonly S[]): Promise<number>
  read(rowIds: readonly RowId[]): Promise<readonly (T | undefined)[]>
}

/** A page of a list: its summaries are scanned, and what fits is read. Rows that are removed, or changed, meanwhile are left out. */
export async function readPage<S extends Summary, T>(
  config: JobConfig,
  page: PageRequest,
  list: List<S, T>,
): Promise<Rows<T>> {
  const { found, next } = await scan(config, page, list)
  const present = await list.read(found.map((row) => row.rowId))
  const rows = found.flatMap(({ position }, index) => {
    const row = present[index]
    return row === undefined || list.stillFits?.(row) === false ? [] : [{ row, position }]
  })
  return { rows, next }
}

/**
 * Walks a list from `page.after` until the page is full, one row more is known, the list ends, or `jobScanRows` have been
 * looked at. A page holds at least one row, whatever its bytes.
 */
async function scan<S extends Summary>(
  { jobScanRows, jobScanChunkRows, jobPageBytes }: JobConfig,
  { limit, fields, after: start }: PageRequest,
  { list, fits, move }: Pick<List<S, never>, 'list' | 'fits' | 'move'>,
): Promise<{ readonly found: readonly S[]; readonly next: ListPosition | null }> {
  const found: S[] = []
  let after = start
  let bytes = 0
  for (let left = jobScanRows; left > 0; ) {
    const asked = Math.min(left, fits ? jobScanChunkRows : limit + 1)
    const rows = await list({ after, limit: asked, fields })
    const moved = move ? await move(rows) : -1
    for (const row of moved < 0 ? rows : rows.slice(0, moved)) {
      if (fits && !fits(row)) continue
      bytes += row.bytes
      const isFull = found.length === limit || (found.length > 0 && bytes > jobPageBytes)
      if (isFull) return { found, next: found.at(-1)?.position ?? null }
      found.push(row)
    }
    if (moved < 0 && rows.length < asked) return { found, next: null }
    after = rows.at(moved)?.position ?? null
    left -= rows.length
  }
  return { found, next: after }
}
