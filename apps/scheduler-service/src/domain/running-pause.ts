import type { FireTimes } from '@belfry/time'
import type { FireRange, ScheduleRecord } from './schedule-record.ts'

/**
 * The fire times that a pause has left out until now, as the range that the resume will log; null where there are none. A
 * one-shot is not among them: it waits for the resume.
 */
export function runningPause(record: ScheduleRecord, times: FireTimes, now: number): FireRange | null {
  const { state, spec, nextFireAt: from, version, quarantined } = record
  if (state !== 'paused' || spec.schedule.kind === 'once' || from === null || quarantined) return null
  const to = times.last(from, now)
  if (to === null) return null
  return { from, to, count: times.count(from, to), decision: 'paused', reason: 'paused', version }
}
