import { compileSchedule, type FireTimes, type Schedule } from '../src/index.ts'

/** The fire times of a schedule that must compile. */
export function fireTimesOf(schedule: Schedule, seed = 'job-1'): FireTimes {
  const times = compileSchedule(schedule, seed)
  if ('issue' in times) throw new Error(times.issue.detail)
  return times
}

export function cronIn(timezone: string, cron: string): FireTimes {
  return fireTimesOf({ kind: 'cron', cron, timezone })
}
