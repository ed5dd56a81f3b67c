import { isRefusal, type JobSpec, type PutJobBody, type Refusal, type ScheduleSpec } from '@belfry/contracts'
import type { Timing } from '@belfry/schedules'
import { compileSchedule } from '@belfry/time'
import { type Job, nextChangeAt } from '../domain/job.ts'
import { noTypesYet } from '../domain/job-types.ts'
import { withIssues } from '../domain/secret.ts'
import { type ReadSpec, readSpec, readTiming } from '../domain/spec.ts'
import { specDifferences } from '../domain/spec-differences.ts'
import type { JobContext } from './context.ts'
import { secretIssues } from './secrets.ts'

type ReadContext = Pick<JobContext, 'stores' | 'types' | 'config' | 'clock'>

/**
 * The spec that a body gives a job that is there, with every default filled in. Times that are counted from now begin when the change
 * counts. `delay`: a repeated body is to find the job as the first one has made it, so the moments at which the job was changed
 * before count too: the one that gives its time.
 */
export async function readChange(context: ReadContext, job: Job, body: PutJobBody): Promise<ReadSpec | Refusal> {
  const at = nextChangeAt(job, context.clock.now())
  const earlier = delayedFrom(job, body)
  const read = earlier === undefined ? null : await readAt(context, job, body, earlier)
  if (read && !isRefusal(read) && specDifferences(read.spec, job.spec).length === 0) return read
  return readAt(context, job, body, at)
}

/** The moment of an earlier change from which the body's `delay` leads to the time that the job has. */
function delayedFrom({ createdAt, changes, spec: { schedule } }: Job, { delay }: PutJobBody): number | undefined {
  if (delay === undefined || schedule.kind !== 'once') return undefined
  return [createdAt, ...changes.map(({ changedAt }) => changedAt)].find((from) => from + delay === schedule.runAt)
}

async function readAt(context: ReadContext, job: Job, body: PutJobBody, at: number): Promise<ReadSpec | Refusal> {
  const { types, config } = context
  const timing = readTiming(body, { createdAt: at, timezone: config.timezone, jobId: job.id })
  if (isRefusal(timing)) return timing
  const known = await types.knowing(body.jobType)
  if (!known) return noTypesYet
  const read = readSpec(
    { ...body, key: job.key ?? undefined },
    withZoneNoted(job, body, withScheduleOf(job, timing, at)),
    known,
  )
  const shown = isRefusal(read) ? read : { ...read, spec: withTextOf(job.spec, read.spec) }
  // A secret that is gone keeps no change of another field back.
  const isSame = JSON.stringify(body.params ?? {}) === JSON.stringify(job.spec.params)
  return isSame ? shown : withIssues(shown, await secretIssues(context, job.ownerId, body.params))
}

/** A one-shot that keeps its time is shown with the text in which it was given. */
function withTextOf({ schedule: before, scheduledTime }: JobSpec, spec: JobSpec): JobSpec {
  const { schedule } = spec
  const isSame = schedule.kind === 'once' && before.kind === 'once' && schedule.runAt === before.runAt
  return isSame && scheduledTime !== undefined && spec.scheduledTime === undefined ? { ...spec, scheduledTime } : spec
}

/**
 * The timing as it is for this job. A schedule that stays the same may be over: it keeps no change of another field back, and a
 * one-shot whose time stays does not run again.
 */
function withScheduleOf({ id, spec }: Job, timing: Timing, at: number): Timing {
  const schedule = withAnchor(timing.schedule, spec.schedule)
  if (specDifferences({ ...spec, schedule }, spec).length === 0) {
    const warnings = timing.warnings.filter(({ code }) => code !== 'in-the-past')
    return { ...timing, schedule, warnings, impossible: [] }
  }
  if (schedule === timing.schedule) return timing
  // It was checked as if it began anew.
  const times = compileSchedule(schedule, id)
  const hasMore = !('issue' in times) && times.next(at) !== null
  return { ...timing, schedule, impossible: hasMore ? [] : timing.impossible }
}

/** A cron as a text has no zone: the default one takes the place of the one that the job had, which is easily overlooked. */
function withZoneNoted({ spec: { schedule: before } }: Job, { schedule }: PutJobBody, timing: Timing): Timing {
  const { schedule: next, warnings } = timing
  if (typeof schedule !== 'string' || next.kind !== 'cron' || before.kind !== 'cron') return timing
  if (next.timezone === before.timezone) return timing
  const detail = `The cron came without a zone, so it is read in ${next.timezone} and no longer in ${before.timezone}: {"cron", "timezone"} names a zone.`
  return { ...timing, warnings: [...warnings, { code: 'timezone-assumed', detail }] }
}

/** An interval that stays as long has its fire times where they were. */
function withAnchor(schedule: ScheduleSpec, before: ScheduleSpec): ScheduleSpec {
  if (schedule.kind !== 'interval' || before.kind !== 'interval') return schedule
  const isSame = schedule.everyMs === before.everyMs && schedule.startAt === before.startAt
  return isSame ? { ...schedule, anchorAt: before.anchorAt } : schedule
}
