import type { AttemptRecord, ExecutionState, JobSpec, JobStatusMessage, ScheduleSpec } from '@belfry/contracts'
import { scheduledExecutionId } from '@belfry/contracts'
import { type Job, newJob, type Viewer } from '../src/domain/job.ts'

/** A quarter past nine on a Monday, UTC. */
export const monday = Date.UTC(2026, 10, 2, 9, 15)

export const jobIdOf = (n: number) => `job-01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`
export const minted = (n: number) => jobIdOf(n).slice('job-'.length)

function specOf(more: Partial<JobSpec> = {}): JobSpec {
  return {
    name: 'nightly',
    jobType: 'DUMMY',
    params: { durationMs: 5 },
    schedule: { kind: 'manual' },
    policy: {
      retry: { maxRetries: 3, backoff: 'exponential', delayMs: 5000, factor: 2, maxDelayMs: 300_000, jitter: true },
      overlap: { policy: 'allow', limit: 1 },
      timeoutMs: 3_600_000,
      onLostLease: 'rerun',
    },
    isOverlapSet: false,
    priority: 5,
    tags: [],
    ...more,
  }
}

export interface JobWish {
  n?: number
  ownerId?: string
  key?: string | null
  name?: string
  jobType?: string
  tags?: string[]
  params?: Record<string, unknown>
  schedule?: ScheduleSpec
  viewers?: Viewer[]
  now?: number
}

export function jobOf({ n = 1, ownerId = 'usr-a', key = null, viewers, now = monday, ...spec }: JobWish = {}): Job {
  const about = { id: jobIdOf(n), ownerId, key, spec: specOf(spec), warnings: [], now }
  return newJob(viewers ? { ...about, viewers } : about)
}

export interface StatusWish {
  job?: Job
  fireAt?: number
  executionId?: string
  seq?: number
  version?: number
  state?: ExecutionState
  failures?: number
  endedAt?: number | null
  result?: unknown
  cancelRequested?: boolean
  cause?: JobStatusMessage['cause']
  retryOf?: string
}

/** An attempt that has started and is at work. */
const attemptSince = (startedAt: number): AttemptRecord => ({
  epoch: 1,
  executor: 'executor-1',
  startedAt,
  endedAt: null,
  outcome: null,
  error: null,
})

/** A job-status message. */
export function statusMessage(wish: StatusWish = {}): JobStatusMessage {
  const { job = jobOf(), fireAt = monday, seq = 1, version = 1, state = 'ready', failures = 0, endedAt = null } = wish
  return {
    executionId: wish.executionId ?? scheduledExecutionId(job.id, fireAt),
    jobId: job.id,
    ownerId: job.ownerId,
    jobType: job.spec.jobType,
    version,
    cause: wish.cause ?? 'schedule',
    seq,
    state,
    fireAt,
    runAt: fireAt,
    epoch: state === 'ready' ? 0 : 1,
    attempts: state === 'running' ? [attemptSince(fireAt)] : [],
    failures,
    losses: 0,
    cancelRequested: wish.cancelRequested ?? false,
    blockedBy: null,
    retryOf: wish.retryOf ?? null,
    result: wish.result ?? null,
    error: null,
    artifacts: [],
    timeline: {
      plannedAt: fireAt,
      sentAt: fireAt,
      admittedAt: fireAt,
      startedAt: state === 'ready' ? null : fireAt,
      endedAt,
      topic: null,
      partition: null,
      offset: null,
    },
  }
}
