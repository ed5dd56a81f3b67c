import {
  type ExecutionSummary,
  type FencedJobView,
  formatDuration,
  isRecurring,
  type JobStatusView,
  type JobView,
  type ListedJobView,
  type RecurringSchedule,
  takesPlace,
  toWireTime,
  type Warning,
} from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { localText } from '@belfry/time'
import { allowedActions, type JobAction } from '../domain/job.ts'
import { type Caller, type Rights, rightsOf } from '../domain/reach.ts'
import {
  countFailuresInRow,
  deriveNextRunAt,
  deriveState,
  deriveStatus,
  type KnownExecution,
  type StatusInput,
  statusInputOf,
} from '../domain/status.ts'
import type { ListedJob, StoredJob } from '../store/ports.ts'
import type { FencedJob } from '../use-cases/confirm-changes.ts'
import type { ScheduleCache } from '../use-cases/schedule-cache.ts'
import type { JobInDetail } from '../use-cases/show-job.ts'

export interface ViewContext {
  readonly clock: Clock
  readonly schedules: ScheduleCache
  /** The zone that times are shown in where the job names none. */
  readonly timezone: string
}

/** How jobs look in answers: each caller sees what the job lets the caller do. */
export interface JobViews {
  of(caller: Caller): JobViewsOfCaller
}

/** How jobs look to one caller. */
export interface JobViewsOfCaller {
  job(job: StoredJob): JobView
  /** With params where they were read and the caller may see them. */
  listed(job: ListedJob): ListedJobView
  fenced(fenced: FencedJob): FencedJobView
  status(detail: JobInDetail): JobStatusView
}

export function createJobViews(context: ViewContext): JobViews {
  return { of: (caller) => viewsOf(context, caller) }
}

function viewsOf({ clock, schedules, timezone }: ViewContext, caller: Caller): JobViewsOfCaller {
  const nextRunAt = (job: ListedJob, input: StatusInput) =>
    deriveNextRunAt(job.spec.schedule, input, job.known, clock.now(), (after) => schedules.next(job, after))

  const paramsOf = (job: ListedJob) =>
    job.spec.params && rightsOf(caller, job)?.seesDetails ? { params: job.spec.params } : {}

  const viewJob = (job: ListedJob): ListedJobView => {
    const { schedule, policy } = job.spec
    const input = statusInputOf(job)
    const next = nextRunAt(job, input)
    const zone = schedule.kind === 'cron' ? schedule.timezone : timezone
    return {
      id: job.id,
      key: job.key,
      name: job.spec.name,
      jobType: job.spec.jobType,
      ...paramsOf(job),
      schedule: viewSchedule(job, timezone),
      runAt: schedule.kind === 'once' ? toWireTime(schedule.runAt) : null,
      scheduledTime: job.spec.scheduledTime ?? null,
      status: deriveStatus(input),
      state: deriveState(input, isOver(job, next)),
      version: job.version,
      priority: job.spec.priority,
      timeout: formatDuration(policy.timeoutMs),
      retry: viewRetry(job),
      onLostLease: policy.onLostLease,
      overlap: {
        policy: policy.overlap.policy,
        limit: takesPlace(policy.overlap) ? policy.overlap.limit : null,
      },
      misfire: viewMisfire(job),
      ...viewRecurrence(job),
      expiresAfter: viewDuration(job.spec.expiresAfterMs),
      pauseUntil: toWireTime(job.pauseUntil),
      pausedBy: job.pause?.by ?? null,
      pauseReason: job.pause?.reason ?? null,
      pauseAfterFailures: job.spec.pauseAfterFailures ?? null,
      tags: job.spec.tags,
      nextRunAt: toWireTime(next),
      nextRunLocal: next === null ? null : localText(next, zone),
      lastExecution: viewSummary(job.known.last),
      ownerId: job.ownerId,
      createdAt: toWireTime(job.createdAt),
      updatedAt: toWireTime(job.changedAt),
      warnings: [...job.warnings],
      viewers: job.viewers.map(({ username }) => username),
      links: linksOf(job, rightsOf(caller, job)),
    }
  }

  return {
    job: viewJob,
    listed: viewJob,
    fenced: ({ job, inFlight, effective }) => ({ ...viewJob(job), inFlight: [...inFlight], effective }),
    status({ job, recent, isTypeKnown, lastMissed }) {
      const input = statusInputOf(job)
      const next = nextRunAt(job, input)
      return {
        jobId: job.id,
        key: job.key,
        name: job.spec.name,
        status: deriveStatus(input),
        state: deriveState(input, isOver(job, next)),
        nextRunAt: toWireTime(next),
        lastExecution: viewSummary(job.known.last),
        currentExecution: viewSummary(job.known.running),
        pauseReason: job.pause?.reason ?? null,
        consecutiveFailures: countFailuresInRow(recent.map(({ status }) => status)),
        lastMissed: lastMissed && viewMissed(lastMissed),
        warnings: isTypeKnown ? [] : [unknownType(job)],
        links: linksOf(job, rightsOf(caller, job)),
      }
    },
  }
}

function viewMissed({ from, to, count, reason }: NonNullable<JobInDetail['lastMissed']>): JobStatusView['lastMissed'] {
  return { from: toWireTime(from), to: toWireTime(to), count, reason }
}

/** A recurring schedule without a next fire time has none left. */
function isOver({ spec }: ListedJob, nextRunAt: number | null): boolean {
  return nextRunAt === null && isRecurring(spec.schedule)
}

function unknownType({ spec: { jobType } }: StoredJob): Warning {
  const detail = `No executor has the job type "${jobType}" now: the job's executions wait until one has it.`
  return { code: 'unknown-job-type', detail }
}

function viewSchedule({ spec: { schedule } }: ListedJob, timezone: string): JobView['schedule'] {
  if (schedule.kind === 'cron') return { cron: schedule.cron, timezone: schedule.timezone }
  if (schedule.kind !== 'interval') return null
  return { every: formatDuration(schedule.everyMs), anchorAt: toWireTime(schedule.anchorAt), timezone }
}

function viewRecurrence({ spec: { schedule } }: ListedJob) {
  const { startAt, endAt, maxRuns, jitterMs } = isRecurring(schedule) ? schedule : ({} as Partial<RecurringSchedule>)
  return {
    startAt: toWireTime(startAt ?? null),
    endAt: toWireTime(endAt ?? null),
    maxRuns: maxRuns ?? null,
    jitter: viewDuration(jitterMs),
  }
}

function viewMisfire({ spec: { misfire } }: ListedJob): JobView['misfire'] {
  return misfire ? { policy: misfire.policy, within: formatDuration(misfire.withinMs), cap: misfire.cap } : null
}

const viewDuration = (ms: number | undefined) => (ms === undefined ? null : formatDuration(ms))

function viewRetry({ spec }: ListedJob): JobView['retry'] {
  const { maxRetries, backoff, delayMs, factor, maxDelayMs, jitter } = spec.policy.retry
  return { maxRetries, backoff, delay: formatDuration(delayMs), factor, maxDelay: formatDuration(maxDelayMs), jitter }
}

function viewSummary(known: KnownExecution | null): ExecutionSummary | null {
  if (known === null) return null
  const { id, status, fireAt, endedAt } = known
  return { id, status, fireAt: toWireTime(fireAt), endedAt: toWireTime(endedAt) }
}

/** The parts of a job, and what its state and the rights of the caller allow to do with it. */
function linksOf({ id, state }: Pick<ListedJob, 'id' | 'state'>, rights: Rights | null): Record<string, string> {
  const self = `/jobs/${id}`
  const calls = allowedActions[state].filter(
    (action) => !ofSelf.includes(action) && action !== 'retry' && mayDo(action, rights),
  )
  const shown = ['executions', 'history']
  const parts = state === 'deleted' ? shown : ['status', 'next-runs', 'fire-log', ...shown, ...calls]
  return { self, ...Object.fromEntries(parts.map((part) => [part, `${self}/${part}`])) }
}

const operated: readonly JobAction[] = ['pause', 'resume', 'cancel']

function mayDo(action: JobAction, rights: Rights | null): boolean {
  return (operated.includes(action) ? rights?.mayOperate : rights?.mayChange) === true
}

/** What is done with the methods of the job's own address. */
const ofSelf: readonly JobAction[] = ['update', 'delete']
