import type { JobChangesMessage, JobExecuteMessage } from '@belfry/contracts'
import type { Admission } from '../../apps/executor-service/src/admission/admission.ts'
import type { Stop } from '../../apps/executor-service/src/admission/stop-claims.ts'
import type { AbortReason } from '../../apps/executor-service/src/attempts/attempt.ts'
import type { Execution } from '../../apps/executor-service/src/executions/execution.ts'
import type { Job } from '../../apps/job-service/src/domain/job.ts'
import type { FireRange, ScheduleRecord } from '../../apps/scheduler-service/src/domain/schedule-record.ts'
import type { Operation } from './configuration.ts'

/** The executions of the job: of its fire times, and of a trigger. */
export const slots = ['first', 'second', 'manual'] as const
export type Slot = (typeof slots)[number]

/** The processes of executor-service. */
export const seats = ['a', 'b'] as const
export type Seat = (typeof seats)[number]

/** An operation whose caller waits for the fence (docs/protocol.md step 2). `listed`: what it may answer as in flight. */
export interface Call {
  readonly version: number
  readonly phase: 'asked' | 'written' | 'listed'
  /** `slot epoch` of each. */
  readonly listed: readonly string[]
}

/** What a 200 has promised: nothing that this change closes starts, unless it is listed (I8). */
export interface Promised {
  readonly version: number
  readonly kind: Operation
  readonly changedAt: number
  readonly listed: readonly string[]
}

interface Trigger {
  readonly command: JobExecuteMessage
  /** The job's version when it was answered. */
  readonly jobVersion: number
  /** A job-status has come: the command is sent no more. */
  readonly isAnswered: boolean
}

/** What a scheduler has read and not written yet. */
export interface Reading {
  readonly record: ScheduleRecord | null
  readonly now: number
  /** The change that it applies; null for an advance. */
  readonly message: JobChangesMessage | null
  /** Whether another scheduler has written since. */
  readonly isStale: boolean
}

/**
 * An attempt in the memory of an executor (attempts/attempt.ts). `asking`: it has read the admission · `placing`: it has read the
 * states, and stores the admission next · `stopping`: it must not start · `withdrawn`: it is given back · `go`: the lease was looked
 * at, and the handler is called next.
 */
export interface Attempt {
  readonly epoch: number
  readonly owner: string
  readonly version: number
  readonly runAt: number
  /** Its start is recorded before its handler is called. */
  readonly recordsFirst: boolean
  readonly phase: 'claimed' | 'asking' | 'placing' | 'stopping' | 'waiting' | 'starting' | 'go' | 'work' | 'withdrawn'
  readonly abortedFor: AbortReason | null
  /** The admission that it has read; its `rev` is -1 when another writer has changed it since. */
  readonly admission?: Admission
  readonly placed?: Admission
  readonly decision?: 'start' | 'wait' | 'skip' | 'early'
  readonly stop?: Stop
}

/** A process of executor-service. */
export interface Executor {
  readonly name: string
  readonly isUp: boolean
  /** A sign of life has got through less than a lease ago. */
  readonly hasLease: boolean
  readonly isStopping: boolean
  readonly attempts: Readonly<Partial<Record<Slot, Attempt>>>
}

/** How often handlers were called, and what explains a further call. */
export interface Calls {
  readonly starts: number
  /** Leases lost, failures and interruptions. */
  readonly excuses: number
  readonly failures: number
}

/** A job-status, where the copies of job-service are followed. */
interface Status {
  readonly slot: Slot
  readonly seq: number
}

type Executions = { readonly [slot in Slot]: Execution | null }
type Executors = { readonly [seat in Seat]: Executor | null }
type CallsOfSlots = { readonly [slot in `${Slot}Calls`]: Calls }

/** One state: every store, every message that may still arrive, and the memory of every process. */
export interface World extends Executions, Executors, CallsOfSlots {
  readonly now: number

  readonly job: Job
  readonly fencedVersion: number
  readonly call: Call | null
  /** Versions whose fence was given up by its caller and may still arrive. */
  readonly strays: readonly number[]
  readonly operationsLeft: number
  readonly trigger: Trigger | null
  readonly triggersLeft: number
  readonly promised: readonly Promised[]
  /** The `seq` of each copy. */
  readonly copies: Readonly<Partial<Record<Slot, number>>>

  /** The bus: what was sent may arrive at any time, any number of times and in any order, until it is lost. */
  readonly changes: readonly JobChangesMessage[]
  readonly commands: readonly JobExecuteMessage[]
  readonly statuses: readonly Status[]

  readonly schedule: ScheduleRecord | null
  readonly readings: readonly (Reading | null)[]
  readonly fireLog: readonly FireRange[]

  readonly admission: Admission
  /** The executors that have a record that is not marked as gone. */
  readonly alive: readonly string[]

  readonly faultsLeft: number
  readonly failuresLeft: number
}
