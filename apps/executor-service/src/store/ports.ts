import type { PoisonStore } from '@belfry/bus'
import type { ChangesQuery, ExecutionChangesPage, ExecutionState, logLevels, Refusal } from '@belfry/contracts'
import type { Admission } from '../admission/admission.ts'
import type { Execution, Pool } from '../executions/execution.ts'

/** Where the store keeps a record: given by the store, handed back to it, never calculated with. */
export type RowId = number

export interface Stored {
  readonly rowId: RowId
  readonly execution: Execution
  /** What it takes up in memory once its params are there, bytes. */
  readonly size: number
}

/** Bounds of a page: rows, and bytes of them as stored. One row is read whatever its size. */
export interface PageBounds {
  readonly rows: number
  readonly bytes: number
}

/** The first rows within the bounds; `hasMore`: there may be others. */
interface StoredPage {
  readonly rows: readonly Stored[]
  readonly hasMore: boolean
}

/** One change of a record: it counts only if the record is still at `from.seq`. */
export interface ExecutionUpdate {
  readonly rowId: RowId
  readonly from: Execution
  readonly to: Execution
}

/** The durable steps by name: crash points and metrics use them as `executions.<step>`. */
export type Step =
  | 'insert'
  | 'replace'
  | 'claim'
  | 'close'
  | 'skip'
  | 'expire'
  | 'start'
  | 'hand-back'
  | 'finish'
  | 'lose'
  | 'take-back'

/** The states in which an execution has not ended. */
export type OpenState = 'ready' | 'running'

/** A ready record that is due, or soon will be; enough to decide whether to look at it. */
export interface DueExecution {
  readonly rowId: RowId
  readonly runAt: number
  readonly pool: Pool
}

/** An executor's place among `executors`: the shares of the others are left to them until `overdueAt`. */
interface ExecutorShare {
  readonly index: number
  readonly executors: number
  readonly overdueAt: number
}

/**
 * What a poll asks for: at most so many of each pool that are due by `now`, and so many that are due by `until`. Among the
 * latter it passes over the executions of the owners `full`, over at most `scan` of them in each pool.
 */
export interface DueQuery {
  readonly now: number
  readonly until: number
  readonly due: Readonly<Record<Pool, number>>
  readonly coming: number
  readonly saturated: readonly string[]
  readonly scan: number
  readonly share: ExecutorShare
}

/** A place among what is ready in a pool: by priority, then by `runAt`. Given by the store, handed back to it. */
export type DueCursor = readonly [priority: number, runAt: number, owner: number, rowId: RowId]

/** Asks for a page of what is due by `now` in a pool and belongs to no owner of `passOver`, after `after` (null: from the first). */
export interface DueOfOthersQuery {
  readonly pool: Pool
  readonly now: number
  readonly passOver: readonly string[]
  readonly after: DueCursor | null
  /** Index entries that are looked through. */
  readonly scan: number
  readonly limit: number
  readonly share: ExecutorShare
}

interface DueOfOthersPage {
  readonly found: readonly DueExecution[]
  /** Where to go on; null after the last one. */
  readonly next: DueCursor | null
}

export interface HeldExecution {
  readonly rowId: RowId
  readonly epoch: number
  readonly cancelRequested: boolean
}

/** A page of executions in order of change. */
interface ChangedExecutions {
  readonly rows: ExecutionChangesPage['data']
  readonly next: string | null
}

/** As much of an execution that has ended as the retention asks about. */
export interface EndedExecution {
  readonly rowId: RowId
  readonly seq: number
  readonly state: ExecutionState
  readonly changedAt: number
  /** Its newest state is on the bus. */
  readonly isPublished: boolean
}

/**
 * The executions. Records come without params that are large (`unreadParams`), and without those that cannot be read, which
 * are reported and never stop the others. Every change but an insert is a compare-and-set on `seq`; a caller that loses it
 * reads again and decides again.
 * Whatever changes a record also marks it as not yet published. All verbs reject with a `StorageError`.
 */
export interface ExecutionStore {
  /** Stores those whose id is not there yet; undefined for the others. `at`: now, epoch milliseconds. */
  insertMany(executions: readonly Execution[], at: number): Promise<readonly (Stored | undefined)[]>
  /** Whether each change counts. */
  compareAndSetMany(step: Step, swaps: readonly ExecutionUpdate[], at: number): Promise<readonly boolean[]>
  /** One entry for each of the first ids, in their order, within `bytes` as stored: at least one where there is an id. */
  find(ids: readonly string[], bytes?: number): Promise<readonly (Stored | undefined)[]>
  readStates(ids: readonly string[]): Promise<readonly (ExecutionState | undefined)[]>
  /** The same by row id. */
  read(rowIds: readonly RowId[], bytes?: number): Promise<readonly (Stored | undefined)[]>
  /** The params of the first of these, by the same rule; undefined where they cannot be read. */
  readParams(rowIds: readonly RowId[], bytes: number): Promise<readonly (Record<string, unknown> | undefined)[]>
  /** Ready ones that cannot be read: they count as due again at `until`. */
  quarantineMany(rowIds: readonly RowId[], until: number): Promise<void>
  /** Whether any is ready at all, due or not: far cheaper than to ask for them. */
  hasReady(): Promise<boolean>
  /** Ready ones, by priority and age within each pool. */
  listDue(query: DueQuery): Promise<readonly DueExecution[]>
  /** Ready ones of a pool that are due, by priority and age, but for those of some owners. */
  listDueOfOthers(query: DueOfOthersQuery): Promise<DueOfOthersPage>
  /** What `owner` runs, by what is stored. */
  listHeld(owner: string): Promise<readonly HeldExecution[]>
  /** Running ones whose owner is gone or was never heard of. */
  abandoned(page: PageBounds): Promise<StoredPage>
  /**
   * The job's executions of this state (null: both, each once though it changes from one to the other between pages), in
   * order of row id, after `after`. The cost does not depend on those of the other state. Rejects when one cannot be read:
   * what is not known of must not be taken for closed.
   */
  listOpen(jobId: string, state: OpenState | null, after: RowId, limit: number): Promise<readonly Stored[]>
  /** The job's executions with an epoch in doubt that was lost at `since` or later. Rejects as `openOf` does. */
  listInDoubt(jobId: string, since: number): Promise<readonly Stored[]>
  /** Marks them as not published, though nothing changed. */
  markUnpublished(stored: readonly Stored[]): Promise<void>
  /**
   * Executions in order of change (protocol.md step 14). `next` continues the list, null after the last page; a refusal
   * for a cursor of another list.
   */
  listChanges(query: ChangesQuery): Promise<ChangedExecutions | Refusal>
  /** The newest state of records that are not yet published. */
  listUnpublished(page: PageBounds): Promise<StoredPage>
  /** Takes back the mark of those that have not changed since the state of `seq`. */
  markPublished(rows: readonly { readonly rowId: RowId; readonly seq: number }[]): Promise<void>
  /**
   * Ended ones whose last change was before `before`, in order of change, after `after`. A body that gives row ids again
   * leaves out the execution whose row id would be the next to be given.
   */
  listEnded(
    before: number,
    after: Pick<EndedExecution, 'changedAt' | 'rowId'>,
    limit: number,
  ): Promise<readonly EndedExecution[]>
  /**
   * Removes those that are ended, published and still at `seq`, each with its outcome, logs and artifacts. Answers how
   * many went.
   */
  purgeMany(rows: readonly Pick<EndedExecution, 'rowId' | 'seq'>[]): Promise<number>
}

/** As much of an admission as the retention asks about. */
export interface AdmissionSummary {
  readonly rowId: RowId
  readonly jobId: string
  readonly rev: number
  /** When it last changed, or closed an execution. */
  readonly neededAt: number
}

export interface UnsettledAdmission {
  readonly rowId: RowId
  readonly admission: Admission
}

/** The admissions. `put` stores those whose stored `rev` is still `from.rev` (0: there is none yet). */
export interface AdmissionStore {
  read(jobIds: readonly string[]): Promise<readonly (Admission | undefined)[]>
  compareAndSetMany(
    step: 'fence' | 'place' | 'settle',
    changes: readonly { readonly from: Admission; readonly to: Admission }[],
    at: number,
  ): Promise<readonly boolean[]>
  /** Those whose closed executions may still be ready (`Admission.unsettled`), in an order that stays, after `after`. */
  listUnsettled(after: RowId, limit: number): Promise<readonly UnsettledAdmission[]>
  /** They were needed at `at`: they have closed an execution. */
  touch(jobIds: readonly string[], at: number): Promise<void>
  /** The next ones after `after`, in an order that stays. */
  list(after: RowId, limit: number): Promise<readonly AdmissionSummary[]>
  /** Removes those that are as they were seen, unless something of the job is ready or running. Answers how many went. */
  purgeMany(rows: readonly AdmissionSummary[]): Promise<number>
}

export interface ExecutorRow {
  readonly instance: string
  readonly beat: number
  readonly gone: boolean
}

/** The executors that there are. A row is made once, at the start; a beat never brings back one that is gone. */
export interface ExecutorStore {
  enlist(instance: string, address: string | null): Promise<void>
  /** False when there is no row, or it is marked as gone: another executor has taken over. */
  beat(instance: string): Promise<boolean>
  list(): Promise<readonly ExecutorRow[]>
  /** False when it has beaten since. */
  markGone(row: ExecutorRow): Promise<boolean>
  /** Removes every row but this instance's: for a store that nobody else can have open. */
  removeOthers(instance: string): Promise<void>
  remove(instance: string): Promise<void>
}

export type LogLevel = (typeof logLevels)[number]

/** A line of an attempt's log; `seq` counts from 1 within the attempt. */
export interface LogEntry {
  readonly seq: number
  readonly at: number
  readonly level: LogLevel
  readonly text: string
}

/** Lines of one attempt that follow each other. */
export interface LogChunk {
  readonly rowId: RowId
  readonly epoch: number
  readonly lines: readonly LogEntry[]
}

interface LogQuery {
  readonly after: { readonly epoch: number; readonly seq: number }
  /** Only the lines of this attempt; null for all. */
  readonly epoch: number | null
  readonly limit: number
}

/** As much of a log's chunk as the retention asks about, with the execution that it belongs to. */
export interface LogChunkSummary {
  readonly rowId: RowId
  /** When its last line was written. */
  readonly at: number
  readonly state: ExecutionState
  /** The execution's last change. */
  readonly changedAt: number
}

export interface LogStore {
  append(chunks: readonly LogChunk[]): Promise<void>
  /** In order of attempt and line. */
  list(rowId: RowId, query: LogQuery): Promise<readonly (LogEntry & { readonly epoch: number })[]>
  /** Chunks in the order in which they were stored, after `after`. */
  listOldest(after: RowId, limit: number): Promise<readonly LogChunkSummary[]>
  /** Answers how many went. */
  purgeMany(rows: readonly RowId[]): Promise<number>
}

export interface ArtifactFile {
  readonly rowId: RowId
  readonly epoch: number
  readonly name: string
  readonly body: Uint8Array
}

export interface ArtifactStore {
  /** Stores them; one of the same attempt and name is replaced. */
  put(files: readonly ArtifactFile[]): Promise<void>
  read(rowId: RowId, epoch: number, name: string): Promise<Uint8Array | undefined>
}

/** Named moments that are kept over restarts, epoch milliseconds. */
interface CursorStore {
  /** 0 when nothing was written under the name. */
  read(name: string): Promise<number>
  write(name: string, at: number): Promise<void>
}

export interface Stores {
  readonly executions: ExecutionStore
  readonly admissions: AdmissionStore
  readonly executors: ExecutorStore
  readonly logs: LogStore
  readonly artifacts: ArtifactStore
  readonly cursors: CursorStore
  readonly poison: PoisonStore
}
