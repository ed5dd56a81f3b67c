import type { ChangesQuery, ExecutionChangesPage, ExecutionState } from '@belfry/contracts'
import type { Page, PageBounds, RowId, WorkShare } from '@belfry/storage'
import type { Execution } from '../../executions/execution.ts'
import type { DueStore } from './due.ts'
import type { CursorPage, PurgedPage } from './pages.ts'

/** A record, and the id by which its store knows it. */
export interface Stored {
  readonly rowId: RowId
  readonly execution: Execution
  /** What it takes up in memory once its params are there, bytes. */
  readonly size: number
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
  | 'wait'
  | 'wake'
  | 'cancel'
  | 'expire'
  | 'hand-over'
  | 'start'
  | 'hand-back'
  | 'finish'
  | 'lose'
  | 'take-back'

/** The states in which an execution has not ended. */
export type OpenState = 'ready' | 'running'

/** As much of a running execution as its owner's heartbeat asks about. */
export interface HeldExecution {
  readonly rowId: RowId
  readonly epoch: number
  readonly cancelRequested: boolean
}

/** Executions in order of their change numbers. `head`: see the contracts, `changesQuery`. */
interface ChangedExecutions {
  readonly rows: ExecutionChangesPage['data']
  readonly head: number
  readonly hasMore: boolean
}

/** That the state `seq` of a record was published. */
interface PublishedState {
  readonly rowId: RowId
  readonly seq: number
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

/** A position in the order of change among executions that have ended. */
export type EndedCursor = Pick<EndedExecution, 'changedAt' | 'rowId'>

/**
 * The executions, one record each. Records come without params that are large (`unreadParams`), and without those that
 * cannot be read, which are reported and never stop the others.
 *
 * Every change but an insert is a compare-and-set on `seq` of one record; a caller that loses it reads again and decides
 * again. No verb changes two records together: of a batch, any part may be there when the call rejects. Whatever changes a
 * record also marks it as not yet published, and gives it a new change number (contracts, `changesQuery`).
 *
 * A record and what is stored beside it (large params, log, artifacts) may be read a moment apart, and so may the records of
 * one answer. Calls that are under way together are done in any order. All verbs reject with a `StorageError`; after
 * `outcome-unknown` the write may be there.
 */
export interface ExecutionStore extends DueStore {
  /** Stores those whose id is not there yet; undefined for the others. `at`: now, epoch milliseconds. */
  insertMany(executions: readonly Execution[], at: number): Promise<readonly (Stored | undefined)[]>
  /** Whether each change counts. */
  compareAndSetMany(step: Step, updates: readonly ExecutionUpdate[], at: number): Promise<readonly boolean[]>
  /** One entry for each of the first ids, in their order, within `bytes` as stored: at least one where there is an id. */
  find(ids: readonly string[], bytes?: number): Promise<readonly (Stored | undefined)[]>
  readStates(ids: readonly string[]): Promise<readonly (ExecutionState | undefined)[]>
  /** The same as `find` by row id. */
  read(rowIds: readonly RowId[], bytes?: number): Promise<readonly (Stored | undefined)[]>
  /** The params of the first of these, by the same rule; undefined where they cannot be read. */
  readParams(rowIds: readonly RowId[], bytes: number): Promise<readonly (Record<string, unknown> | undefined)[]>
  /** Whether each of these jobs has an execution that is ready or running. */
  hasOpen(jobIds: readonly string[]): Promise<readonly boolean[]>
  /** The running executions of `owner`. */
  listHeld(owner: string): Promise<readonly HeldExecution[]>
  /** The owners of running executions, each once. */
  listRunningOwners(): Promise<readonly string[]>
  /** The running executions of these owners. */
  listRunningOf(owners: readonly string[], page: PageBounds): Promise<Page<Stored>>
  /**
   * The job's executions of this state (null: both, each once though it changes from one to the other between pages), in an
   * order that stays, after `after`. Those that have the state throughout the walk are all in it. The cost does not depend on
   * those of the other state. Rejects when one cannot be read: an execution that is not listed counts as closed.
   */
  listOpen(jobId: string, state: OpenState | null, after: RowId | null, limit: number): Promise<CursorPage<Stored>>
  /** The job's executions with an epoch in doubt that was lost at `since` or later. Rejects as `listOpen` does. */
  listInDoubt(jobId: string, since: number): Promise<readonly Stored[]>
  /** Marks them as not published, though nothing changed. */
  markUnpublished(stored: readonly Stored[]): Promise<void>
  /** The executions with a change number above `after` in the order of these numbers (docs/protocol.md step 14). */
  listChanges(query: ChangesQuery): Promise<ChangedExecutions>
  /** The newest state of records of the share that are not yet published; a record is overdue by when it last changed. */
  listUnpublished(page: PageBounds, share: WorkShare): Promise<Page<Stored>>
  /** Takes back the mark of those that have not changed since the state of `seq`. */
  markPublished(states: readonly PublishedState[]): Promise<void>
  /** Ended ones whose last change was before `before`, in order of change, after `after`. */
  listEnded(before: number, after: EndedCursor | null, limit: number): Promise<CursorPage<EndedExecution, EndedCursor>>
  /**
   * Removes those that are ended, published and still at `seq`; then what belongs to them. Children may outlive their parent
   * when the call does not get that far, or an attempt that was given up stores more: `purgeOrphans` of this store and of the
   * artifacts, and `listOldest` of the logs find them. A store may leave one for a later call. Answers how many went.
   */
  purgeMany(rows: readonly PublishedState[]): Promise<number>
  /**
   * Looks through the next `limit` of what this store keeps apart from the records, after `after`, and removes what was
   * stored before `before` and has no record. What is younger stays: params may be stored before their record.
   */
  purgeOrphans(before: number, after: RowId | null, limit: number): Promise<PurgedPage>
}
