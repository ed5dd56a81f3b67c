import type { AuditStore } from '@belfry/audit'
import type { PoisonStore } from '@belfry/bus'
import type {
  ChangesQuery,
  ExecutionStatus,
  JobChange,
  JobChangesMessage,
  JobExecuteMessage,
  JobStatusMessage,
  JobVersionsPage,
  jobsReply,
} from '@belfry/contracts'
import type { RequestStore } from '@belfry/http'
import type { CursorStore, Page, PageBounds, RowId, WorkShare } from '@belfry/storage'
import type { z } from 'zod'
import type { Repetition } from '../domain/backoff.ts'
import type { Execution, WholeExecution } from '../domain/execution.ts'
import type { Job, ListedSpec } from '../domain/job.ts'
import type { JobScope } from '../domain/reach.ts'
import type { JobAge } from '../domain/retention.ts'
import type { HandedOver, KnownExecutions, StatusInput } from '../domain/status.ts'
import type { NotificationStores } from './notification-ports.ts'
import type { SecretStore } from './secret-port.ts'

/**
 * What the use cases ask of a database. Each verb writes one record at a time; a verb that names several records promises
 * nothing about them together. What it reads in several records may be a moment apart. It promises no order among calls
 * that are under way at the same time. All verbs reject with a `StorageError`; a refusal that the rules expect is an
 * answer, never an error. Every write may be repeated after `outcome-unknown`. Times are epoch milliseconds.
 */

declare const positionBrand: unique symbol
/**
 * Where a row stands in a list. The store makes it and checks it (`isPosition`); for all others it is a part of a page's
 * cursor, and JSON can hold it.
 */
export type ListPosition = readonly (string | number | null)[] & { readonly [positionBrand]: true }

declare const dueBrand: unique symbol
/** Where a page of due records ends. The store makes it, and only the store reads it. */
export type DueCursor = readonly (string | number)[] & { readonly [dueBrand]: true }

/** A page of what is due. `next` goes on after it; null after the last page. */
export interface DuePage<T> {
  readonly rows: readonly T[]
  readonly next: DueCursor | null
}

/** A job with what the service knows about it. */
export interface StoredJob extends Job {
  readonly rowId: RowId
  /** The newest version that the executors have confirmed; from the start the created one. */
  readonly fencedVersion: number
  /** The newest version is on the bus. */
  readonly isPublished: boolean
  readonly known: KnownExecutions & HandedOver
}

/** A job as lists show it: with params only where they are asked for. */
export interface ListedJob extends Omit<StoredJob, 'spec'> {
  readonly spec: ListedSpec
}

/** What lists leave out unless it is asked for: it may be long. */
export type LongField = 'params' | 'result'

/** Which rows of a list: the next `limit` after a position (null: from the newest on). */
export interface ListQuery {
  readonly after: ListPosition | null
  readonly limit: number
  /** The long fields that are going to be read; they count for a row's `bytes`. */
  readonly fields: readonly LongField[]
}

/** A row of a list before it is read. */
export interface Summary {
  readonly rowId: RowId
  readonly position: ListPosition
  /** How long the stored row is, bytes. */
  readonly bytes: number
}

/** As much of a job as the filters of a list ask about. */
export interface JobSummary extends Summary {
  readonly name: string
  readonly key: string | null
  readonly jobType: string
  readonly createdAt: number
  /** Empty unless the query asks for them. */
  readonly tags: readonly string[]
  readonly statusInput: StatusInput
}

/** `withTags`: the tags of the jobs are read too. */
export interface JobsQuery extends ListQuery {
  readonly withTags?: boolean
}

/** `until`: only jobs whose `dueFrom` lies at this moment or before, epoch milliseconds. */
export interface DueJobsQuery extends JobsQuery {
  readonly until: number
}

/** A job in the order of its next runs; none of its fire times that are to come lies before `dueFrom`. */
export interface DueJobSummary extends JobSummary {
  readonly version: number
  readonly dueFrom: number
}

/** The earliest moment at which a job can run next: raised to `next`, or null where it has no run left. */
export interface RaisedDue extends Pick<DueJobSummary, 'rowId' | 'version' | 'dueFrom'> {
  readonly next: number | null
}

/** A version that the executors have yet to confirm. */
export interface DueFence extends Repetition {
  readonly rowId: RowId
  readonly jobId: string
  readonly version: number
  readonly changes: readonly JobChange[]
}

/** A paused job whose pause ends by itself. */
export interface DuePauseEnd {
  readonly jobId: string
  readonly ownerId: string
}

/** A job whose newest version is not yet on the bus. */
export interface UnpublishedJob {
  readonly rowId: RowId
  readonly seq: number
  readonly key: string
  /** Bytes (contracts, `messageSize`). */
  readonly size: number
  readonly value: JobChangesMessage
  /** See the relay's `Unpublished`. */
  readonly neededAt?: number
}

/** Jobs in order of their change numbers. `head`: see the contracts, `changesQuery`. */
interface ChangedJobs {
  readonly rows: JobVersionsPage['data']
  readonly head: number
  readonly hasMore: boolean
}

export interface AgedJob extends JobAge {
  readonly rowId: RowId
}

/** What became of a job that was to be stored. */
export type CreatedJob = { readonly rowId: RowId; readonly isNew: boolean } | 'key-taken' | 'too-many'

/** The jobs. `create`, `createMany` and `compareAndSet` give the job a new change number (contracts, `changesQuery`). */
export interface JobStore {
  /**
   * Stores a new job, unpublished. Unique by `ownerId:(key ?? id)` among the jobs that are neither cancelled nor deleted;
   * `key-taken`: another one has the key. `too-many`: the owner had `mostJobs` of those when the call counted them; calls
   * at the same time may exceed it where the database counts in a step of its own. A job whose id is stored already stays
   * as it is, and is not `isNew`.
   */
  create(job: Job, mostJobs?: number): Promise<CreatedJob>
  /** The same for many, each on its own; one entry per job. Of two with one key either may be stored. */
  createMany(jobs: readonly Job[], mostJobs?: number): Promise<readonly CreatedJob[]>
  /** How many jobs of the owner count against the quota: neither cancelled nor deleted. Counted up to `limit`. */
  countLive(ownerId: string, limit: number): Promise<number>
  /** Stores the next version if the stored one is still `from`: unpublished, and its fence due at `fenceAt`. */
  compareAndSet(rowId: RowId, from: number, job: Job, fenceAt: number): Promise<boolean>
  /**
   * The owner's job by id; or by key: the live one, else the newest one that had it, which may be deleted. The job and what is
   * known of its executions may be a moment apart.
   */
  find(ownerId: string, ref: string): Promise<StoredJob | undefined>
  /** The same, of any owner. */
  findById(id: string): Promise<StoredJob | undefined>
  /** The jobs of these rows, in their order; undefined for those that were removed. */
  readMany(rowIds: readonly RowId[], fields: readonly LongField[]): Promise<(ListedJob | undefined)[]>
  /** The jobs of a scope that are not deleted, newest first. */
  listSummaries(scope: JobScope, query: JobsQuery): Promise<JobSummary[]>
  /**
   * The owner's active jobs with a schedule, in the order of `dueFrom`. A change of a job sets that to the moment of the change, or to
   * the time of a one-shot; the store knows no schedule, and so it is `raiseDue` that makes it exact.
   */
  listByDue(ownerId: string, query: DueJobsQuery): Promise<DueJobSummary[]>
  /** Raises `dueFrom` of the jobs that are still as they were read. Of no consequence but for the order of `listByDue`. */
  raiseDue(rows: readonly RaisedDue[]): Promise<void>
  /** Whether the value can be a position that `listSummaries` gave. */
  isPosition(value: unknown): value is ListPosition
  /** Whether the value can be a position that `listByDue` gave. */
  isDuePosition(value: unknown): value is ListPosition
  /** Some of the jobs of the share whose newest version is not on the bus; a job is overdue by when it last changed. */
  listUnpublished(page: PageBounds, share: WorkShare): Promise<Page<UnpublishedJob>>
  /** Raises each job's mark to `seq`, and never lowers it: a newer version stays unpublished. */
  markPublished(rows: readonly { readonly rowId: RowId; readonly seq: number }[]): Promise<void>
  /** Fences of the share's jobs that are due by `until`, the longest waiting first. */
  listDueFences(until: number, limit: number, share: WorkShare, after?: DueCursor | null): Promise<DuePage<DueFence>>
  /** The executors have confirmed all versions up to this one. A lower one than is stored changes nothing. */
  markFenced(rowId: RowId, version: number): Promise<void>
  /** The fence is due again at `nextAt`, if it is still due at `fence.nextAt`: the job has not changed and is not confirmed. */
  postponeFenceIfUnchanged(fence: Pick<DueFence, 'rowId' | 'nextAt'>, nextAt: number): Promise<void>
  /** Jobs of the share whose pause ends by `until`, in the order of these moments; a job is overdue by that moment. */
  listPauseEnds(until: number, limit: number, share: WorkShare, after?: DueCursor | null): Promise<DuePage<DuePauseEnd>>
  /**
   * The jobs with a change number above `after` in the order of these numbers (docs/protocol.md step 14), without the one-shots that
   * were over by `unlistedBefore` (domain/retention.ts).
   */
  listChanges(query: ChangesQuery & { readonly unlistedBefore: number }): Promise<ChangedJobs>
  /** Jobs of any owner within `bytes`, for the scheduler; names those that were left out and those that cannot be read. */
  fetch(ids: readonly string[], bytes: number): Promise<z.infer<typeof jobsReply>>
  /** The next `limit` jobs after a row (null: from the first), in an order that stays. */
  listAges(after: RowId | null, limit: number): Promise<{ rows: readonly AgedJob[]; next: RowId | null }>
  /**
   * Removes at most these jobs: those that are still at their version, are published and fenced, and had no copy of an
   * execution left when the call looked; each with its progress. A copy that is stored meanwhile outlives its job, and goes
   * by `purgeEnded`. Answers how many went; what is left goes by a later call.
   */
  purgeMany(rows: readonly Pick<AgedJob, 'rowId' | 'version'>[]): Promise<number>
}

/** As much of an execution as lists and statuses ask about. */
export interface ExecutionSummary extends Summary {
  readonly id: string
  readonly jobRowId: RowId
  readonly jobType: string
  readonly fireAt: number
  readonly status: ExecutionStatus
  readonly endedAt: number | null
  /** Null unless the query asks for it. */
  readonly job: { readonly name: string; readonly key: string | null; readonly tags: readonly string[] } | null
}

export interface ExecutionsQuery extends ListQuery {
  /** Only fire times from here on, and up to there, both included, epoch milliseconds. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** By fire time; left out: the newest first. */
  readonly isOldestFirst?: boolean | undefined
  /** Only what did not succeed is asked for (FAILED and later ones of `executionStatuses`): a store may leave all others out. */
  readonly isUnwell?: boolean | undefined
  /** What filters ask about the job is read too. */
  readonly withJob?: boolean | undefined
}

/** Jobs of others that a list of their executions takes at most: those that were made last. */
export const mostSharedJobs = 200

/**
 * Whose executions a list shows. `failed`: the dead letters, which failed and were not run again. `viewerId`: those of the newest
 * `mostSharedJobs` jobs that name the user as a viewer. `all`: of all users.
 */
export type ExecutionScope =
  | { readonly ownerId: string }
  | { readonly ownerId: string; readonly failed: true }
  | { readonly viewerId: string }
  | { readonly jobRowId: RowId }
  | 'all'

/** A trigger whose command no job-status has answered yet. */
export interface DueCommand extends Repetition {
  readonly rowId: RowId
  readonly command: JobExecuteMessage
}

export interface Trigger {
  readonly jobRowId: RowId
  readonly command: JobExecuteMessage
  /** The params are the trigger's own, not the job's. */
  readonly hasOwnParams: boolean
  readonly reason: string | null
  readonly nextSendAt: number
}

/** A dead letter, or another execution, that was run again. */
export interface RetriedExecution {
  readonly id: string
  readonly by: string
}

export interface ExecutionStore {
  /**
   * Stores a trigger's execution at seq 0 with its command, if the job's version as read during this call is the
   * command's. A change that is stored meanwhile closes the execution by its fence. False, and nothing changes, when the
   * version is another one or an execution with this id is stored.
   */
  insertTrigger(trigger: Trigger): Promise<boolean>
  /** The same for many, each on its own; one entry per trigger. */
  insertTriggers(triggers: readonly Trigger[]): Promise<readonly boolean[]>
  /** Stores by which execution each was run again, unless one is stored already. What is unknown is left out. */
  markRetried(retried: readonly RetriedExecution[]): Promise<void>
  /**
   * Stores job-status messages. Per execution the newest seq wins, and its command is answered (docs/protocol.md step 7).
   * Then each job's progress: the newest execution that has ended, and the newest fire time. Executions of unknown jobs are
   * left out. The same messages again change nothing.
   */
  applyStatuses(messages: readonly JobStatusMessage[]): Promise<void>
  /** Whole, with its long fields. The execution and its job's params may be a moment apart. */
  find(ownerId: string, id: string): Promise<WholeExecution | undefined>
  /** The same, of any owner. */
  findById(id: string): Promise<WholeExecution | undefined>
  /** The executions of these rows, in their order; undefined for those that were removed. */
  readMany(rowIds: readonly RowId[], fields: readonly LongField[]): Promise<(Execution | undefined)[]>
  /** The row of each stored execution, undefined where there is none. */
  readRowIds(ids: readonly string[]): Promise<(RowId | undefined)[]>
  /** The command of a trigger that no job-status has answered; undefined for all other executions. */
  readCommand(id: string): Promise<JobExecuteMessage | undefined>
  /** How many executions of the owner run now. Counted up to `limit`. */
  countRunning(ownerId: string, limit: number): Promise<number>
  /** The executions of a scope in the order of their fire times. */
  listSummaries(scope: ExecutionScope, query: ExecutionsQuery): Promise<ExecutionSummary[]>
  /** Whether the value can be a position that `listSummaries` gave. */
  isPosition(value: unknown): value is ListPosition
  /** Triggers of the share (by execution id) whose command is due to be sent again by `until`, the longest waiting first. */
  listDueCommands(
    until: number,
    page: PageBounds,
    share: WorkShare,
    after?: DueCursor | null,
  ): Promise<DuePage<DueCommand>>
  /** Sets the next time of those that are still due at the time which they were read with; answers these. */
  postponeManyIfUnchanged(
    claims: readonly { readonly due: DueCommand; readonly nextSendAt: number }[],
  ): Promise<DueCommand[]>
  /** The seq of each stored execution, undefined where there is none. */
  readSeqs(ids: readonly string[]): Promise<(number | undefined)[]>
  /**
   * Removes at most `limit` that ended before `before`, and never a trigger without a job-status. Progress of jobs
   * stays. Answers whether more may be left.
   */
  purgeEnded(before: number, limit: number): Promise<boolean>
}

/** The requests of the Idempotency-Key rule, and their end. */
export interface PurgedRequestStore extends RequestStore {
  /** Removes at most `limit` that were made before `before`; answers whether more may be left. */
  purge(before: number, limit: number): Promise<boolean>
}

/** All that job-service stores. */
export interface Stores extends NotificationStores {
  readonly jobs: JobStore
  readonly executions: ExecutionStore
  readonly requests: PurgedRequestStore
  readonly secrets: SecretStore
  readonly cursors: CursorStore
  readonly poison: PoisonStore
  readonly audit: AuditStore
  close(): Promise<void>
}
