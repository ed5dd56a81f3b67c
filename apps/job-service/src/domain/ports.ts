import type {
  ExecutionStatus,
  FenceReply,
  JobChange,
  JobChangesMessage,
  JobExecuteMessage,
  JobStatusMessage,
  JobType,
  jobsReply,
} from '@belfry/contracts'
import type { z } from 'zod'
import type { Execution } from './execution.ts'
import type { Job } from './job.ts'
import type { JobTypes } from './job-types.ts'
import type { Standing } from './status.ts'

/**
 * What the use cases and loops need of the world. Store verbs reject with a `StorageError` (disk-full, locked, closed,
 * overloaded, failed); a refusal that the domain expects is an answer, never an error. Times are epoch milliseconds.
 */

/** Names a row to the store that gave it; opaque to everybody else. */
export type Handle = number

/** A row's place in a list, newest first; opaque, and part of a page's cursor. */
export type Place = readonly number[]

/** The newest execution of a job, by fire time. */
interface Newest {
  readonly id: string
  readonly fireAt: number
  readonly status: ExecutionStatus
  readonly endedAt: number | null
}

/** A job with what the service knows about it. */
export interface StoredJob extends Job {
  readonly handle: Handle
  /** The newest version that the executors have confirmed; from the start the created one. */
  readonly fencedVersion: number
  /** The newest version is on the bus. */
  readonly told: boolean
  readonly newest: Newest | null
}

/** As much of a job as the filters of a list ask about. */
export interface JobGlance {
  readonly handle: Handle
  readonly place: Place
  readonly name: string
  readonly key: string | null
  readonly jobType: string
  readonly standing: Standing
}

/** A version that the executors have yet to confirm. */
export interface DueFence {
  readonly handle: Handle
  readonly jobId: string
  readonly version: number
  readonly changes: readonly JobChange[]
  readonly tries: number
}

/** A row of the outbox: a job whose newest version is not yet on the bus. */
export interface UntoldJob {
  readonly n: Handle
  readonly seq: number
  readonly key: string
  /** Bytes (contracts, `messageSize`). */
  readonly size: number
  readonly value: JobChangesMessage
}

/** A page by time of change, from `since` on; rows of that very millisecond only beyond handle `after`. */
interface ChangesQuery {
  readonly since: number
  readonly after: number
  readonly limit: number
}

/** Bounds of a page: rows, and bytes of them as stored. One row is read whatever its size. */
export interface PageBounds {
  readonly rows: number
  readonly bytes: number
}

/** The first rows within the bounds; `hasMore`: there may be others. */
interface Bounded<T> {
  readonly rows: readonly T[]
  readonly hasMore: boolean
}

export interface JobStore {
  /**
   * Stores a new job and marks it untold. `key-taken`: another job of the owner has the key. A job whose id is there
   * already stays as it is, and is not `fresh`.
   */
  create(job: Job): Promise<{ handle: Handle; fresh: boolean } | 'key-taken'>
  /** Stores the next version if the stored one is still `from`, marks it untold, and its fence due at `fenceAt`. */
  change(handle: Handle, from: number, job: Job, fenceAt: number): Promise<boolean>
  /** The owner's job by id or key. */
  find(ownerId: string, ref: string): Promise<StoredJob | undefined>
  /** The jobs behind the handles, in their order; without those that are gone. */
  read(handles: readonly Handle[]): Promise<StoredJob[]>
  /** The owner's next `limit` jobs after `place` (null: from the newest on). */
  glance(ownerId: string, place: Place | null, limit: number): Promise<JobGlance[]>
  untold(page: PageBounds): Promise<Bounded<UntoldJob>>
  /** Versions up to `seq` are on the bus. */
  markTold(rows: readonly { readonly n: Handle; readonly seq: number }[]): Promise<void>
  dueFences(now: number, limit: number): Promise<DueFence[]>
  /** The executors have confirmed all versions up to this one. */
  markFenced(handle: Handle, version: number): Promise<void>
  /** The executors could not be told; again at `nextAt`. */
  postponeFence(handle: Handle, nextAt: number): Promise<void>
  changes(query: ChangesQuery): Promise<{ id: string; version: number; changedAt: number; n: Handle }[]>
  /** Jobs of any owner within `bytes`, for the scheduler; names those that were left out and those that cannot be read. */
  fetch(ids: readonly string[], bytes: number): Promise<z.infer<typeof jobsReply>>
}

/** As much of an execution as lists and statuses ask about. */
export interface ExecutionGlance {
  readonly handle: Handle
  readonly place: Place
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
export interface DueSend {
  readonly handle: Handle
  readonly nextSendAt: number
  readonly tries: number
  readonly command: JobExecuteMessage
}

export interface Trigger {
  readonly job: Handle
  readonly command: JobExecuteMessage
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
   * step 7); then per job the newest execution. Executions of unknown jobs are left out.
   */
  keep(messages: readonly JobStatusMessage[]): Promise<void>
  find(ownerId: string, id: string): Promise<Execution | undefined>
  read(handles: readonly Handle[]): Promise<Execution[]>
  /** The next `limit` executions after `place` (null: from the newest fire time on). */
  glance(scope: ExecutionScope, place: Place | null, limit: number): Promise<ExecutionGlance[]>
  /** Triggers whose command is due to be sent again, longest waiting first. */
  dueSends(now: number, page: PageBounds): Promise<Bounded<DueSend>>
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

/** What job-service asks of the executors. Rejects when nobody answers in time or the answer is no answer. */
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
