import { isRecurring, type JobSpec, type ScheduleSpec, type ValidationIssue } from '@belfry/contracts'

/** The schedule without its options. The anchor of an interval that has a `startAt` is that one. */
function bareSchedule(schedule: ScheduleSpec): unknown {
  if (schedule.kind === 'cron') return [schedule.cron, schedule.timezone]
  if (schedule.kind === 'interval') return [schedule.everyMs, schedule.startAt === undefined && schedule.anchorAt]
  return schedule
}

const optionOf = (name: 'startAt' | 'endAt' | 'maxRuns' | 'jitterMs') => {
  return ({ schedule }: JobSpec) => (isRecurring(schedule) ? schedule[name] : undefined)
}

/** The parts of a spec by their fields in the body of a job. */
const parts: Record<string, (spec: JobSpec) => unknown> = {
  name: (spec) => spec.name,
  jobType: (spec) => spec.jobType,
  params: (spec) => spec.params,
  schedule: (spec) => bareSchedule(spec.schedule),
  startAt: optionOf('startAt'),
  endAt: optionOf('endAt'),
  maxRuns: optionOf('maxRuns'),
  jitter: optionOf('jitterMs'),
  misfire: (spec) => spec.misfire,
  expiresAfter: (spec) => spec.expiresAfterMs,
  retry: (spec) => spec.policy.retry,
  timeout: (spec) => spec.policy.timeoutMs,
  onLostLease: (spec) => spec.policy.onLostLease,
  overlap: (spec) => [spec.isOverlapSet, spec.policy.overlap],
  pauseAfterFailures: (spec) => spec.pauseAfterFailures,
  priority: (spec) => spec.priority,
  tags: (spec) => spec.tags,
}

/** The same text for values that are the same JSON, whatever the order of their fields. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** One issue for each part in which the specs differ; `schedule` stands for `runAt` and the like too. */
export function specDifferences(asked: JobSpec, stored: JobSpec): ValidationIssue[] {
  return Object.entries(parts)
    .filter(([, partOf]) => canonical(partOf(asked)) !== canonical(partOf(stored)))
    .map(([field]) => ({ pointer: `/${field}`, code: 'differs', detail: 'differs from the job that exists' }))
}
