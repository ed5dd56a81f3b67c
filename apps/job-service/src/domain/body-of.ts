import { formatDuration, type JobSpec, type OverlapPolicy, type ScheduleSpec, toWireTime } from '@belfry/contracts'
import type { Job } from './job.ts'

/** A body of a job as a user would send it. */
type Body = Record<string, unknown>

/** The fields of a body that say when a job runs: a body has at most one. */
const timingFields = ['schedule', 'runAt', 'delay', 'scheduledTime'] as const

const durationOf = (ms: number | undefined) => (ms === undefined ? undefined : formatDuration(ms))
const timeOf = (at: number | undefined) => (at === undefined ? undefined : toWireTime(at))

function recurrenceOf(schedule: ScheduleSpec): Body {
  if (schedule.kind !== 'cron' && schedule.kind !== 'interval') return {}
  const { startAt, endAt, maxRuns, jitterMs } = schedule
  return { startAt: timeOf(startAt), endAt: timeOf(endAt), maxRuns, jitter: durationOf(jitterMs) }
}

function timingOf(schedule: ScheduleSpec): Body {
  if (schedule.kind === 'once') return { runAt: toWireTime(schedule.runAt) }
  if (schedule.kind === 'manual') return { schedule: null }
  if (schedule.kind === 'interval') return { schedule: { every: formatDuration(schedule.everyMs) } }
  return { schedule: { cron: schedule.cron, timezone: schedule.timezone } }
}

function overlapOf({ policy, limit, isLimited }: OverlapPolicy): Body {
  return policy === 'allow' && isLimited !== true ? { policy } : { policy, limit }
}

function retryOf({ policy: { retry } }: JobSpec): Body {
  const { maxRetries, backoff, delayMs, factor, maxDelayMs, jitter } = retry
  return { maxRetries, backoff, delay: formatDuration(delayMs), factor, maxDelay: formatDuration(maxDelayMs), jitter }
}

type Defined = Pick<Job, 'spec' | 'viewers'>

/** The body that makes such a job: what a JSON merge patch of the job is merged onto. */
export function bodyOf({ spec, viewers }: Defined): Body {
  const { name, jobType, params, schedule, policy, priority, tags, misfire } = spec
  const body: Body = {
    ...{ name, jobType, params, ...timingOf(schedule), ...recurrenceOf(schedule) },
    misfire: misfire && { policy: misfire.policy, within: formatDuration(misfire.withinMs), cap: misfire.cap },
    expiresAfter: durationOf(spec.expiresAfterMs),
    ...{ retry: retryOf(spec), timeout: formatDuration(policy.timeoutMs), onLostLease: policy.onLostLease },
    overlap: spec.isOverlapSet ? overlapOf(policy.overlap) : undefined,
    pauseAfterFailures: spec.pauseAfterFailures,
    ...{ priority, tags, viewers: viewers.map(({ username }) => username) },
  }
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined))
}

const isObject = (value: unknown): value is Body => typeof value === 'object' && value !== null && !Array.isArray(value)

/** RFC 7396: objects are merged, null removes a field, everything else replaces. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged: Body = isObject(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else merged[name] = mergePatch(merged[name], value)
  }
  return merged
}

/** A cron and an interval exclude each other: the one that the patch gives replaces the other. */
function mergeSchedule(merged: unknown, given: unknown): unknown {
  if (!isObject(merged) || !isObject(given)) return merged
  if ('every' in given && !('cron' in given)) return { every: merged.every }
  if (!('cron' in given)) return merged
  const { every: _every, ...cron } = merged
  return 'every' in given ? merged : cron
}

/**
 * The body of a job after a JSON merge patch. A field that says when the job runs replaces the others that do; a null takes the
 * schedule away, so that the job runs only on trigger.
 */
export function patchedBody(job: Defined, patch: Body): Body {
  const given = timingFields.filter((field) => Object.hasOwn(patch, field))
  const body = bodyOf(job)
  const isReplaced = given.some((field) => patch[field] !== null)
  if (isReplaced) for (const field of timingFields) if (!given.includes(field)) delete body[field]
  const merged = mergePatch(body, patch) as Body
  if (merged.schedule !== undefined) merged.schedule = mergeSchedule(merged.schedule, patch.schedule)
  const hasTiming = timingFields.some((field) => merged[field] !== undefined)
  return hasTiming ? merged : { ...merged, schedule: null }
}
