import type { RowId, WorkShare } from '@belfry/storage'
import type { Pool, ReadyPool } from '../../executions/execution.ts'
import type { CursorPage } from './pages.ts'

/** A ready record that is due, or soon will be; enough to decide whether to read it. */
export interface DueExecution {
  readonly rowId: RowId
  readonly runAt: number
  readonly pool: ReadyPool
}

/**
 * What a poll asks for: at most so many of each pool that are due by `now`, and so many that are due by `until`. Among the
 * latter it passes over the executions of the `saturated` owners, over at most `scan` of them in each pool.
 */
export interface DueQuery {
  readonly now: number
  readonly until: number
  readonly due: Readonly<Record<Pool, number>>
  readonly coming: number
  readonly saturated: readonly string[]
  readonly scan: number
  readonly share: WorkShare
}

declare const dueCursorBrand: unique symbol

/** A position among what is ready in a pool. The store makes it and reads it; to all others it is opaque. */
export interface DueCursor {
  readonly [dueCursorBrand]: true
}

/** Asks for a page of what is due by `now` in a pool and belongs to no owner of `passOver`, after `after` (null: from the first). */
export interface DueOfOthersQuery {
  readonly pool: Pool
  readonly now: number
  readonly passOver: readonly string[]
  readonly after: DueCursor | null
  /** Index entries that are looked through. */
  readonly scan: number
  readonly limit: number
  readonly share: WorkShare
}

/** Asks for what is due by `until` in the pool `other`, at most `limit` of each of these job types. */
interface DueOfTypesQuery {
  readonly types: readonly string[]
  readonly until: number
  readonly limit: number
}

/** What can start soon. The records themselves are read by row id. */
export interface DueStore {
  /** Whether any execution is ready at all, due or not: far cheaper than to ask for them. */
  hasReady(): Promise<boolean>
  /**
   * Ready ones, by priority and age within each pool. Where the executor's own share fills a page, the store may keep some of
   * it for the own share, though what is overdue of others' comes first.
   */
  listDue(query: DueQuery): Promise<readonly DueExecution[]>
  /** Ready ones of a pool that are due, by priority and age, without those of saturated owners. */
  listDueOfOthers(query: DueOfOthersQuery): Promise<CursorPage<DueExecution, DueCursor>>
  /**
   * Ready ones of the pool `other` that are due, of each type the oldest or the most urgent ones first. What is ready of other types costs
   * hardly anything, however much it is. It is not shared: not all executors have the types.
   */
  listDueOfTypes(query: DueOfTypesQuery): Promise<readonly DueExecution[]>
  /** Ready ones that have not started, and that may not start any more after a moment before `now` (`startsUntil`). */
  listExpired(now: number, limit: number): Promise<readonly RowId[]>
  /** Ready ones that cannot be read: they count as due again at `until`. Those that are not ready stay as they are. */
  quarantineMany(rowIds: readonly RowId[], until: number): Promise<void>
}
