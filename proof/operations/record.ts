import type { HistoryEntry } from '@belfry/contracts'
import type { TargetCall } from '../target.ts'
import type { PlannedJob } from './plan.ts'

/** One change of a job as its answer told it. Times are epoch milliseconds. */
export interface Change {
  readonly kind: PlannedJob['operation'] | 'resume'
  /** That it has made of the job. */
  readonly version: number
  /** From which moment on it counts. */
  readonly changedAt: number
  /** When the client had the answer. */
  readonly answeredAt: number
  /** The executors have confirmed it (200), so that nothing may start that is not listed. */
  readonly isFirm: boolean
  /** Ids of the executions that may still run. */
  readonly listed: readonly string[]
}

/** All that is known of a job when the run is over. */
export interface JobRecord {
  readonly id: string
  readonly plan: PlannedJob
  /** Its first fire time, epoch milliseconds. */
  readonly firstAt: number
  readonly changes: readonly Change[]
  readonly history: readonly HistoryEntry[]
  /** What came to the target, in the order of its arrival. */
  readonly calls: readonly TargetCall[]
}
