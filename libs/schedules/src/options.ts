import {
  type CreateJobBody,
  formatDuration,
  type MisfireBody,
  type MisfirePolicy,
  type ScheduleSpec,
  type ValidationIssue,
} from '@belfry/contracts'

/** The fields of a body that say more about a schedule: which of them count depends on its kind. */
export const optionFields = ['startAt', 'endAt', 'maxRuns', 'jitter', 'misfire', 'expiresAfter'] as const
export type ScheduleOptionField = (typeof optionFields)[number]
export type OptionsInput = Pick<CreateJobBody, ScheduleOptionField>

/** docs/schedules.md, "Late: misfire". */
const misfireDefaults: MisfirePolicy = { policy: 'run-once', withinMs: 3_600_000, cap: 100 }

/**
 * Longest jitter, milliseconds. A longer one would move a daily job to other days, where a cron says it better. It need not be
 * shorter than the distance of two fire times: all of them move by the same part of it, so none passes another.
 */
const longestJitterMs = 86_400_000

type Kind = ScheduleSpec['kind']

const taken: Record<Kind, readonly ScheduleOptionField[]> = {
  cron: ['startAt', 'endAt', 'maxRuns', 'jitter', 'misfire'],
  interval: ['startAt', 'endAt', 'maxRuns', 'jitter', 'misfire'],
  once: ['expiresAfter'],
  manual: [],
}

const kindNames: Record<Kind, string> = {
  cron: 'a recurring job',
  interval: 'a recurring job',
  once: 'a job that runs once',
  manual: 'a job without a schedule',
}

/** What to write instead, for an option that a kind of schedule does not take. */
function insteadOf(field: ScheduleOptionField, kind: Kind): string {
  if (kind === 'manual') return 'give it a schedule as well'
  if (field === 'expiresAfter') return 'how late its runs may start is "misfire": {"within": "10m"}'
  if (field === 'misfire') return 'how late it may start is "expiresAfter": "10m"'
  return field === 'startAt' || field === 'endAt' ? 'its one time is "runAt"' : 'it counts for a recurring job'
}

/** Options that the kind of schedule does not take, and a jitter that is too long. */
export function optionIssues(input: OptionsInput, kind: Kind): ValidationIssue[] {
  const misplaced = optionFields
    .filter((field) => input[field] !== undefined && !taken[kind].includes(field))
    .map((field) => {
      const detail = `${kindNames[kind]} has no ${field}: ${insteadOf(field, kind)}`
      return { pointer: `/${field}`, code: 'not-applicable', detail }
    })
  if (misplaced.length > 0 || (input.jitter ?? 0) <= longestJitterMs) return misplaced
  const detail = `must be at most ${formatDuration(longestJitterMs)}`
  return [{ pointer: '/jitter', code: 'out-of-range', detail }]
}

/** The recurring schedule with its options. An interval counts from its `startAt` (docs/schedules.md). */
export function withOptions(schedule: ScheduleSpec, { startAt, endAt, maxRuns, jitter }: OptionsInput): ScheduleSpec {
  if (schedule.kind === 'once' || schedule.kind === 'manual') return schedule
  const options = {
    ...(startAt !== undefined && { startAt }),
    ...(endAt !== undefined && { endAt }),
    ...(jitter !== undefined && jitter > 0 && { jitterMs: jitter }),
    ...(maxRuns !== undefined && { maxRuns }),
  }
  const anchorAt = schedule.kind === 'interval' ? { anchorAt: startAt ?? schedule.anchorAt } : {}
  return { ...schedule, ...anchorAt, ...options }
}

/** The policy of a body that gives any part of it; its other parts get the defaults of docs/schedules.md. */
export function readMisfire(body: MisfireBody | undefined): MisfirePolicy | undefined {
  if (body === undefined) return undefined
  const { policy, withinMs, cap } = misfireDefaults
  return { policy: body.policy ?? policy, withinMs: body.within ?? withinMs, cap: body.cap ?? cap }
}
