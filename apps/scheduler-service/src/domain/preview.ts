import {
  formatDuration,
  isRecurring,
  type RecurringSchedule,
  type Refusal,
  refusal,
  type SchedulePreviewBody,
  type SchedulePreviewView,
  type ScheduleSpec,
  toWireTime,
  type Warning,
} from '@belfry/contracts'
import { compileTiming, type Timing } from '@belfry/schedules'
import { type FireTimes, fireTimeNumber, localText, scheduleText } from '@belfry/time'

export interface PreviewContext {
  /** Epoch milliseconds. */
  readonly now: number
  /** The zone for what names none. */
  readonly timezone: string
}

/** Fire times that a preview shows unless its body says how many. */
const usualCount = 10
const lastMoment = Number.MAX_SAFE_INTEGER

/** A schedule without a job has no id, so that the shift by the jitter, and what `H` stands for, are not known. */
function unknowns({ jitter, schedule }: SchedulePreviewBody): Warning[] {
  const cron = typeof schedule === 'string' ? schedule : schedule && 'cron' in schedule ? schedule.cron : ''
  const hashed = /(^|[\s,])H/i.test(cron) && !cron.trim().startsWith('@')
  return [
    ...(jitter === undefined || jitter === 0
      ? []
      : [
          {
            code: 'jitter',
            detail: `every run is later than shown here by the same part of ${formatDuration(jitter)}, which the id of the job decides`,
          },
        ]),
    ...(hashed
      ? [
          {
            code: 'hashed-slot',
            detail: 'H stands for a slot that the id of the job decides; the job may have another one',
          },
        ]
      : []),
  ]
}

type ShownTimes = Pick<SchedulePreviewView, 'times' | 'total' | 'lastAt'>

function timesOf(schedule: RecurringSchedule, times: FireTimes, from: number, count: number, zone: string): ShownTimes {
  const { endAt, maxRuns } = schedule
  const shown = times.nextMany(from, Math.min(count, maxRuns ?? count))
  const isEndless = endAt === undefined && maxRuns === undefined
  const total = isEndless ? null : Math.min(times.count(from + 1, lastMoment), maxRuns ?? lastMoment)
  const lastAt = total === null || total === 0 ? null : fireTimeNumber(times, from, total)
  return { times: shown.map((at) => viewTime(at, zone)), total, lastAt: toWireTime(lastAt) }
}

const viewTime = (at: number, zone: string) => ({ at: toWireTime(at), local: localText(at, zone) })

function viewSchedule(schedule: ScheduleSpec, timezone: string): SchedulePreviewView['schedule'] {
  if (schedule.kind === 'cron') return { cron: schedule.cron, timezone: schedule.timezone }
  if (schedule.kind !== 'interval') return null
  return { every: formatDuration(schedule.everyMs), anchorAt: toWireTime(schedule.anchorAt), timezone }
}

/**
 * What a job with these schedule fields would do from now on: the same reading, the same refusals and the same warnings as when
 * the job is made. The times are without the jitter.
 */
export function previewSchedule(body: SchedulePreviewBody, context: PreviewContext): SchedulePreviewView | Refusal {
  const { count = usualCount, from = context.now, ...fields } = body
  const reading = { createdAt: context.now, timezone: context.timezone, jobId: '' }
  const read = compileTiming(fields, reading)
  const timing = 'issues' in read ? read : compileTiming({ ...fields, jitter: undefined }, reading)
  if ('issues' in timing) {
    return refusal('malformed-request', 'The request does not fit what this address takes.', { errors: timing.issues })
  }
  const { impossible, schedule } = timing
  if (impossible.length > 0) return refusal('impossible', 'the schedule cannot run as it is', { errors: impossible })
  const zone = schedule.kind === 'cron' ? schedule.timezone : context.timezone
  return {
    schedule: viewSchedule(schedule, context.timezone),
    runAt: schedule.kind === 'once' ? toWireTime(schedule.runAt) : null,
    text: scheduleText(schedule),
    timezone: zone,
    ...shownTimes(timing, from, count, zone),
    warnings: [...timing.warnings, ...unknowns(body)],
  }
}

function shownTimes({ schedule, times }: Timing, from: number, count: number, zone: string): ShownTimes {
  if (isRecurring(schedule) && times) return timesOf(schedule, times, from, count, zone)
  if (schedule.kind !== 'once') return { times: [], total: 0, lastAt: null }
  return { times: [viewTime(schedule.runAt, zone)], total: 1, lastAt: toWireTime(schedule.runAt) }
}
