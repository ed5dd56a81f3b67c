import type {
  ChangesQuery,
  ExecutionStatus,
  FenceReply,
  JobChange,
  JobChangesMessage,
  JobExecuteMessage,
  JobStatusMessage,
  JobType,
  JobVersionsPage,
  jobsReply,
  Refusal,
} from '@belfry/contracts'
import type { z } from 'zod'
import type { Repeated } from './due.ts'
import type { Execution, WholeExecution } from './execution.ts'
import type { Job, ListedSpec } from './job.ts'
import type { JobTypes } from './job-types.ts'
import type { JobAge } from './retention.ts'
import type { HandedOver, KnownExecutions, Standing } from './status.ts'

/**
 * What the use cases and loops need of the world. Store verbs reject with a `StorageError` (disk-full, locked, closed,
 * overloaded, failed); a refusal that the domain expects is an answer, never an error. Times are epoch milliseconds.
 */

/** Names a row to the store that gave it; opaque to all others. */
export type Handle = number

/** A row's place in a list, newest first; opaque, and part of a page's cursor. */
export type Place = readonly number[]

/** A job with what the service knows about it. */
export interface StoredJob extends Job {
  readonly handle: Handle
  /** The newest version that the executors have confirmed; from the start the created one. */
  readonly fencedVersion: number
  /** The newest version is on the bus. */
  readonly told: boolean
  readonly known: KnownExecutions & HandedOver
}

/** A job as lists show it: with params only where they are asked for. */
export interface ListedJob extends Omit<StoredJob, 'spec'> {
  readonly spec: ListedSpec
}

/** What lists leave out unless it is asked for: it may be long. */
export type LongField = 'params' | 'result'

/** Which rows of a list: the next `limit` after `place` (null: from the newest on). */
export interface ListQuery {
  readonly place: Place | null
  readonly limit: number
  /** What of the long fields is going to be read; it counts for a row's `bytes`. */
  readonly fields: readonly LongField[]
}

/** A row of a list before it is read. */
export interface Glance {
  readonly handle: Handle
  readonly place: Place
  /** How long the stored row is, bytes. */
  readonly bytes: number
}

/** As much of a job as the filters of a list ask about. */
export interface JobGlance extends Glance {
  readonly name: string
  readonly key: string | null
  readonly jobType: string
  readonly standing: Standing
}

/** A version that the executors have yet to confirm. */
export interface DueFence extends Repeated {
  readonly jobId: string
  readonly version: number
  readonly changes: readonly JobChange[]
}

/** A row of the outbox: a job whose newest version is not yet on the bus. */
export interface UntoldJob {
  readonly rowId: Handle
  readonly seq: number
  readonly key: string
  /** Bytes (contracts, `messageSize`). */
  readonly size: number
  readonly value: JobChangesMessage
}

/** A page of jobs in order of change. */
interface ChangedJobs {
  readonly rows: JobVersionsPage['data']
  readonly next: string | null
}

/** Bounds of a page: rows, and bytes of them as stored. One row is read whatever its size. */
export interface PageBounds {
  readonly rows: number
  readonly bytes: number
}

/** The first rows within the bounds; `hasMore`: there may be others. */
export interface Bounded<T> {
  readonly rows: readonly T[]
  readonly hasMore: boolean
}

export interface JobStore {
  /**
   * Stores a new job and marks it untold. `key-taken`: another live job of the owner has the key. `too-many`: the owner
   * has `mostJobs` that are neither cancelled nor deleted. A job whose id is there already stays as it is, and is not `fresh`.
   */
  create(job: Job, mostJobs?: number): Promise<{ handle: Handle; fresh: boolean } | 'key-taken' | 'too-many'>
  /** Stores the next version if the stored one is still `from`, marks it untold, and its fence due at `fenceAt`. */
  change(handle: Handle, from: number, job: Job, fenceAt: number): Promise<boolean>
  /** The owner's job by id; or by key: the live one, else the newest cancelled one. */
  find(ownerId: string, ref: string): Promise<StoredJob | undefined>
  /** The jobs behind the handles, in their order; undefined for those that are gone. */
  read(handles: readonly Handle[], fields: readonly LongField[]): Promise<(ListedJob | undefined)[]>
  /** The owner's jobs, newest first. */
  glance(ownerId: string, query: ListQuery): Promise<JobGlance[]>
  untold(page: PageBounds): Promise<Bounded<UntoldJob>>
  /** Versions up to `seq` are on the bus. */
  markTold(rows: readonly { readonly rowId: Handle; readonly seq: number }[]): Promise<void>
  /** Fences that are due by `until`, after `after`, longest waiting first. */
  dueFences(until: number, limit: number, after?: Repeated | null): Promise<Bounded<DueFence>>
  /** The executors have confirmed all versions up to this one. */
  markFenced(handle: Handle, version: number): Promise<void>
  /** The executors could not be told; again at `nextAt`, unless the job has changed or was confirmed since `fence` was read. */
  postponeFence(fence: Repeated, nextAt: number): Promise<void>
  /**
   * Jobs in order of change (protocol.md step 14), without the one-shots that were over by `unlistedBefore`
   * (domain/retention.ts). `next` continues the list, null after the last page; a refusal for a cursor of another list.
   */
  listChanges(query: ChangesQuery & { readonly unlistedBefore: number }): Promise<ChangedJobs | Refusal>
  /** Jobs of any owner within `bytes`, for the scheduler; names those that were left out and those that cannot be read. */
  fetch(ids: readonly string[], bytes: number): Promise<z.infer<typeof jobsReply>>
  /** The next `limit` jobs after handle `after`, in an order that stays. */
  page(after: Handle, limit: number): Promise<JobAge[]>
  /**
   * Removes those that are still at their version, have reached the scheduler and the executors, and have no copy of an
   * execution left, each with its summary. Answers how many went. A body that gives handles again keeps the newest job.
   */
  purge(rows: readonly Pick<JobAge, 'handle' | 'version'>[]): Promise<number>
}

/** As much of an execution as lists and statuses ask about. */
export interface ExecutionGlance extends Glance {
  readonly id: string
  readonly jobType: string
  readonly fireAt: number
  readonly status: ExecutionStatus
  readonly endedAt: number | null
}

/** Whose executions a list shows. */
export type ExecutionScope =
  | { readonly ownerId: string }
  | { readonly ownerId: string; readonly failed: true }
  | { readonly job: Handle }

/** A trigger whose command no job-status has answered yet. */
export interface DueSend extends Repeated {
  readonly command: JobExecuteMessage
}

export interface Trigger {
  readonly job: Handle
  readonly command: JobExecuteMessage
  /** The params are the trigger's own, not the job's. */
  readonly hasOwnParams: boolean
  readonly reason: string | null
  readonly nextSendAt: number
}

export interface ExecutionStore {
  /**
   * Stores a trigger's execution at seq 0 with its command. False, and nothing changes, when the job is not at the
   * command's version any more, or an execution with this id is there.
   */
  insertTrigger(trigger: Trigger): Promise<boolean>
  /**
   * Takes over what the executor says: per execution the newest seq wins, and its command is answered (protocol.md,
   * step 7); then per job the newest that has ended, and the newest fire time. Executions of unknown jobs are left out.
   */
  keep(messages: readonly JobStatusMessage[]): Promise<void>
  /** Whole, with its long fields. */
  find(ownerId: string, id: string): Promise<WholeExecution | undefined>
  /** The executions behind the handles, in their order; undefined for those that are gone. */
  read(handles: readonly Handle[], fields: readonly LongField[]): Promise<(Execution | undefined)[]>
  /** The executions of a scope, newest fire time first. */
  glance(scope: ExecutionScope, query: ListQuery): Promise<ExecutionGlance[]>
  /** Triggers whose command is due to be sent again by `until`, after `after`, longest waiting first. */
  dueSends(until: number, page: PageBounds, after?: Repeated | null): Promise<Bounded<DueSend>>
  /** Sets the next time; answers those that nobody else has claimed or answered meanwhile. */
  claimSends(claims: readonly { readonly send: DueSend; readonly nextSendAt: number }[]): Promise<DueSend[]>
  /** The seq of each stored execution, undefined where there is none. */
  seqs(ids: readonly string[]): Promise<(number | undefined)[]>
  /**
   * Removes at most `limit` that ended before `before` (epoch milliseconds); never a trigger that no executor has shown.
   * Summaries stay. Says whether more may be left.
   */
  purge(before: number, limit: number): Promise<boolean>
}

/** How far a loop has come, kept over restarts. */
export interface CursorStore {
  /** 0 when the loop has never come anywhere. */
  read(name: string): Promise<number>
  write(name: string, at: number): Promise<void>
}

/** What job-service asks of the executors. Rejects when no answer comes in time or the answer is no answer. */
export interface Executors {
  /** Makes the changes firm (protocol.md, step 2); the reply lists what may still run. */
  fence(jobId: string, changes: readonly JobChange[]): Promise<FenceReply>
  jobTypes(): Promise<JobType[]>
}

/** Takes commands on their way to the executors. */
export interface CommandSender {
  /** Whether as many commands wait for the bus as may: no new trigger is taken then. */
  isFull(): boolean
  /** Sends soon, together with what else comes this turn. The store's row repeats what gets lost. */
  send(command: JobExecuteMessage): void
}

/** The last good list of job types. */
export interface TypeList {
  /** Null while no executor has been reached. Asks again, not too often, when `type` is not on the list. */
  knowing(type: string): Promise<JobTypes | null>
}
