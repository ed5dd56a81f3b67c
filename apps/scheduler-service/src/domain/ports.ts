import type { FireRange, ScheduleRecord } from './schedule-record.ts'

/** Where a stored record lies, and its state as the store counts it: what a compare-and-set names. Opaque to the rules. */
interface Handle {
  readonly n: number
  readonly rev: number
}

export interface StoredSchedule {
  readonly handle: Handle
  readonly record: ScheduleRecord
  /** When it asks to be looked at, epoch milliseconds; null for never. */
  readonly dueAt: number | null
}

/** A row that cannot be read: its writer was not this program. It must not stop the others. */
export interface UnreadableSchedule {
  readonly n: number
  readonly jobId: string
  readonly unreadable: string
}

export interface DuePage {
  readonly rows: readonly (StoredSchedule | UnreadableSchedule)[]
  /** Where the next page begins; null when this was the last one. */
  readonly next: DueCursor | null
}

/** Bounds of a page: records, and what they take up as stored, bytes. One record is read whatever its size. */
export interface PageBounds {
  readonly rows: number
  readonly bytes: number
}

interface DueCursor {
  readonly dueAt: number
  readonly n: number
}

/** A record to store, with the moment at which it is to be looked at again. */
export interface ScheduleWrite {
  readonly record: ScheduleRecord
  readonly dueAt: number | null
}

/** As much of a schedule as the retention asks about. Times are epoch milliseconds. */
export interface ScheduleGlance extends Handle {
  readonly dueAt: number | null
  readonly endedAt: number | null
}

/** The schedules: one record per job. All verbs reject with a `StorageError`. */
export interface ScheduleStore {
  /** The earliest moment at which any record asks to be looked at; null when none does. The poll of an idle scheduler. */
  nextDueAt(): Promise<number | null>
  /** Records that asked to be looked at by `dueBefore`, earliest first, after `cursor`. */
  readDue(dueBefore: number, cursor: DueCursor | null, page: PageBounds): Promise<DuePage>
  /**
   * Among the next `page.rows` handles after `after` the records with commands that wait for their executions, up to
   * `page.bytes` of them. `next`: after which to go on; null when that was the last.
   */
  waitingAfter(
    after: number,
    page: PageBounds,
  ): Promise<{ readonly rows: DuePage['rows']; readonly next: number | null }>
  /**
   * The records of the first ids, in their order, within `bytes` as stored: at least one entry where there is an id,
   * undefined where there is no record.
   */
  read(jobIds: readonly string[], bytes: number): Promise<readonly (StoredSchedule | UnreadableSchedule | undefined)[]>
  /** The same, but undefined as well where no command waits for its execution: that costs no reading. */
  readWaiting(
    jobIds: readonly string[],
    bytes: number,
  ): Promise<readonly (StoredSchedule | UnreadableSchedule | undefined)[]>
  /** One entry per id: the version that the record stands at, or undefined where there is none. */
  versions(jobIds: readonly string[]): Promise<readonly (number | undefined)[]>
  /** Inserts each record unless its job has one. One entry per record: whether it was inserted. */
  insert(writes: readonly ScheduleWrite[]): Promise<readonly boolean[]>
  /**
   * Compare-and-set of each record on the `rev` it was read with, each on its own. One entry per record: whether it was
   * written; false when another writer was first.
   */
  save(writes: readonly (ScheduleWrite & { readonly before: StoredSchedule })[]): Promise<readonly boolean[]>
  /** Looks at an unreadable row again at `dueAt` only; nothing else of it changes. */
  postpone(n: number, dueAt: number): Promise<void>
  /** The next `limit` schedules after `after`, in an order that stays. */
  glance(after: number, limit: number): Promise<readonly ScheduleGlance[]>
  /** Removes those that nobody has changed since they were seen; answers how many. */
  purge(rows: readonly Handle[]): Promise<number>
}

/** Where a range lies among those of its job. */
type FirePlace = Pick<FireRange, 'from' | 'decision'>

/** Fire times without an execution, as ranges. All verbs reject with a `StorageError`. */
export interface FireLogStore {
  /** Stores each range under its job, `from` and `decision`. One that is there already stays if its version is higher. */
  upsert(ranges: readonly { jobId: string; range: FireRange }[]): Promise<void>
  /** The ranges of one job before `place` (null: from the newest on), newest first, at most `limit`. */
  read(jobId: string, limit: number, place?: FirePlace | null): Promise<readonly FireRange[]>
  /**
   * Looks at the `limit` ranges that were stored first and removes those whose last fire time was before `before`. Says
   * whether there may be more: a younger one in the way only delays those that were stored after it.
   */
  purge(before: number, limit: number): Promise<boolean>
}

/** Named moments that are kept over restarts, epoch milliseconds. All verbs reject with a `StorageError`. */
export interface CursorStore {
  /** 0 when nothing was written under the name. */
  read(name: string): Promise<number>
  write(name: string, at: number): Promise<void>
}
