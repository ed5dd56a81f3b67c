import type { PoisonStore } from '@belfry/bus'
import type { FireDecision } from '@belfry/contracts'
import type { CursorStore, PageBounds, RowId, WorkShare } from '@belfry/storage'
import type { FireRange, ScheduleRecord } from '../domain/schedule-record.ts'

/** A stored schedule and its state as the store counts it: what a compare-and-set names. */
export interface ScheduleRef {
  readonly rowId: RowId
  /** Every write of the record raises it. */
  readonly rev: number
}

export interface StoredSchedule extends ScheduleRef {
  readonly record: ScheduleRecord
  /** When it is due to be advanced, epoch milliseconds; null for never. */
  readonly dueAt: number | null
}

/** A record that this program did not write and cannot read. */
interface UnreadableSchedule extends ScheduleRef {
  readonly jobId: string
  /** Why, for people. */
  readonly unreadable: string
}

export type SchedulesRow = StoredSchedule | UnreadableSchedule

declare const dueCursorBrand: unique symbol

/** Where the next page of `listDue` begins. Only the store that made it reads it. */
export type DueCursor = { readonly [dueCursorBrand]: true }

/** A page, and the cursor of the next one: null after the last one. A page may be empty with others after it. */
interface SchedulePage<Cursor> {
  readonly rows: readonly SchedulesRow[]
  readonly next: Cursor | null
}

/** A record to store, with the moment at which it is due. */
export interface ScheduleWrite {
  readonly record: ScheduleRecord
  readonly dueAt: number | null
}

/** A change of a record that was read. */
export interface ScheduleSwap extends ScheduleWrite {
  readonly before: StoredSchedule
}

/** What retention reads of a schedule. Times are epoch milliseconds. */
interface ScheduleSummary extends ScheduleRef {
  readonly dueAt: number | null
  readonly endedAt: number | null
}

/**
 * The schedules: one record per job, unique by `jobId`. Each record is written on its own; a verb that names many promises
 * no transaction over two. All verbs reject with a `StorageError`. After `outcome-unknown` each record of the call may or
 * may not be written.
 */
export interface ScheduleStore {
  /** The earliest moment at which a record of the share is due; null when none is. An idle scheduler polls it. */
  nextDueAt(share: WorkShare): Promise<number | null>
  /** Records of the share that are due by `dueBefore`, earliest first. One that is written between two pages may be missed. */
  listDue(
    dueBefore: number,
    share: WorkShare,
    after: DueCursor | null,
    page: PageBounds,
  ): Promise<SchedulePage<DueCursor>>
  /** All records with pending commands, in an order that stays. */
  listPending(after: RowId | null, page: PageBounds): Promise<SchedulePage<RowId>>
  /**
   * The records of the first ids, in their order, within `bytes` as stored: at least one entry where there is an id,
   * undefined where there is no record. Ask again for the ids that are left.
   */
  readMany(jobIds: readonly string[], bytes: number): Promise<readonly (SchedulesRow | undefined)[]>
  /** The same, but undefined also for a record without pending commands, whose reading the store saves. */
  readManyIfPending(jobIds: readonly string[], bytes: number): Promise<readonly (SchedulesRow | undefined)[]>
  /** One entry per id: the version of the record, or undefined where there is none. */
  readVersions(jobIds: readonly string[]): Promise<readonly (number | undefined)[]>
  /** Inserts each record unless its job has one. One entry per record: whether it was inserted. */
  insertManyIfAbsent(writes: readonly ScheduleWrite[]): Promise<readonly boolean[]>
  /** Replaces each record if its `rev` is the one it was read with. One entry per record: whether it was replaced. */
  compareAndSetMany(swaps: readonly ScheduleSwap[]): Promise<readonly boolean[]>
  /** Sets when the record is due if its `rev` is still this one. Nothing else of it changes: it may be unreadable. */
  postponeIfUnchanged(row: ScheduleRef, dueAt: number): Promise<void>
  /** Summaries of all schedules, page by page, in an order that stays. */
  listSummaries(
    after: RowId | null,
    limit: number,
  ): Promise<{ readonly rows: readonly ScheduleSummary[]; readonly next: RowId | null }>
  /** Removes each record whose `rev` is still this one; answers how many. */
  purgeManyIfUnchanged(rows: readonly ScheduleRef[]): Promise<number>
}

/** What orders the ranges of a job, and names one among them. */
type FireLogPosition = Pick<FireRange, 'from' | 'decision'>

/** Which ranges of a job to list. Times are epoch milliseconds. */
export interface FireLogPage {
  readonly limit: number
  /** The range before the first one; null: from the newest on. */
  readonly after?: FireLogPosition | null
  readonly decision?: FireDecision | undefined
  /** Only ranges with a part from here on, and up to there. */
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** Where a page of missed fire times ends: `at` as `loggedAt`, and what the store names the range by ('' before the first one). */
interface MissedPosition {
  readonly at: number
  readonly id: string
}

/** A range of missed fire times, with its position. */
interface LoggedMissed extends MissedPosition {
  readonly jobId: string
  readonly range: FireRange
}

/** Fire times without an execution, as ranges. All verbs reject with a `StorageError`. */
export interface FireLogStore {
  /**
   * Stores each range under its job, `from` and `decision`. One that is there already stays if its version is higher, or if
   * it is the shorter one of the same version: a range is only ever cut. So a repetition changes nothing. `loggedAt`: when, epoch
   * milliseconds; a range that is there already keeps its first one.
   */
  upsertMany(ranges: readonly { jobId: string; range: FireRange }[], loggedAt?: number): Promise<void>
  /** Ranges of missed fire times of all jobs in the order in which they were logged, after a position. */
  listMissed(after: MissedPosition, limit: number): Promise<readonly LoggedMissed[]>
  /** The ranges of one job, newest first. One without fire times (`count` 0) is stored and not listed. */
  listOfJob(jobId: string, page: FireLogPage): Promise<readonly FireRange[]>
  /**
   * Removes at most `limit` ranges whose last fire time was before `before`, and answers whether to call again at once. The
   * store chooses which, and may leave some of them to a later call.
   */
  purge(before: number, limit: number): Promise<boolean>
}

/** The stores of scheduler-service. */
export interface Stores {
  readonly schedules: ScheduleStore
  readonly fireLog: FireLogStore
  readonly cursors: CursorStore
  readonly poison: PoisonStore
  close(): Promise<void>
}
