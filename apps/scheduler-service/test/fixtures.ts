import type {
  JobChange,
  JobChangesMessage,
  JobSpec,
  JobState,
  JobStatusMessage,
  MisfirePolicy,
  ScheduleSpec,
} from '@belfry/contracts'
import { sampleJobStatus, sampleSpec } from '@belfry/testkit'
import type { Rules } from '../src/domain/schedule-record.ts'
import { createScheduleCache } from '../src/use-cases/schedule-cache.ts'

/** 2026-06-01T12:00:00Z, a moment on which every schedule of the tests is even. */
export const noon = Date.UTC(2026, 5, 1, 12)
export const jobId = 'job-01900000-0000-7000-8000-000000000001'
export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute

export function jobIdOf(number: number): string {
  return `job-01900000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`
}

export const compile = createScheduleCache(100)

/** What was over before this was removed by retention. */
export const horizon = noon - 30 * 24 * hour
export const rules: Rules = {
  lookAheadMs: 4600,
  misfire: { afterMs: minute, withinMs: hour },
  resendFirstMs: 5000,
  resendMaxMs: minute,
  pendingLimit: 64,
  fireLogOutboxLimit: 64,
  quarantineMs: hour,
}

export const everyMinute: ScheduleSpec = { kind: 'cron', cron: '* * * * *', timezone: 'UTC' }
export const everySecond: ScheduleSpec = { kind: 'cron', cron: '* * * * * *', timezone: 'UTC' }
export const once = (runAt: number): ScheduleSpec => ({ kind: 'once', runAt })

export function specOf(schedule: ScheduleSpec, name = 'a job', more: Partial<JobSpec> = {}): JobSpec {
  return sampleSpec({ name, params: { name }, schedule, ...more })
}

/** What was done to a job: its kind, when, and the schedule and the misfire policy from then on (else those before). */
export type Step = readonly [
  kind: JobChange['kind'],
  changedAt: number,
  schedule?: ScheduleSpec | undefined,
  misfire?: MisfirePolicy | undefined,
]

const statesAfter: Partial<Record<JobChange['kind'], JobState>> = {
  create: 'active',
  resume: 'active',
  pause: 'paused',
  cancel: 'cancelled',
  delete: 'deleted',
}

/** The message about a job to which all of `steps` were done, the first one with version 1. */
export function changesOf(steps: readonly Step[], id = jobId): JobChangesMessage {
  let schedule: ScheduleSpec = { kind: 'manual' }
  let misfire: MisfirePolicy | undefined
  let state: JobState = 'active'
  const changes = steps.map(([kind, changedAt, next, policy], index) => {
    schedule = next ?? schedule
    misfire = policy ?? misfire
    state = statesAfter[kind] ?? state
    return { version: index + 1, changedAt, kind, schedule }
  })
  const version = changes.length
  const spec = specOf(schedule, `version ${version}`, misfire && { misfire })
  return { jobId: id, ownerId: 'usr-1', version, state, spec, changes }
}

/** What the executors show of the execution of a fire time. */
export function statusOf(fireAt: number, more: Partial<JobStatusMessage> = {}, id = jobId): JobStatusMessage {
  return sampleJobStatus({ jobId: id, fireAt, ...more })
}
