import { compileSchedule, type FireTimes, fireTimeNumber } from '@belfry/time'
import { LRUCache } from 'lru-cache'
import type { ListedJob } from '../store/ports.ts'

type Scheduled = Pick<ListedJob, 'id' | 'version' | 'spec'>

/** The compiled schedules of the jobs that were shown last: compiling one costs more than asking it. */
export interface ScheduleCache {
  /** The job's first fire time strictly after `after` (epoch milliseconds); null when there is none. */
  next(job: Scheduled, after: number): number | null
  /** The job's `number`-th fire time after `after`; null when there are fewer. */
  numbered(job: Scheduled, after: number, number: number): number | null
  /** Caches what has been compiled already. */
  set(job: Pick<Scheduled, 'id' | 'version'>, times: FireTimes): void
}

export function createScheduleCache(capacity: number): ScheduleCache {
  const cache = new LRUCache<string, FireTimes>({ max: capacity })
  const nameOf = ({ id, version }: Pick<Scheduled, 'id' | 'version'>) => `${id} ${version}`
  /** Schedules were checked when they were stored: there is none that does not compile. */
  const compile = (job: Scheduled): FireTimes | undefined => {
    const times = compileSchedule(job.spec.schedule, job.id)
    return 'issue' in times ? undefined : times
  }
  const timesOf = (job: Scheduled): FireTimes | undefined => {
    const name = nameOf(job)
    const times = cache.get(name) ?? compile(job)
    if (times) cache.set(name, times)
    return times
  }
  return {
    next: (job, after) => timesOf(job)?.next(after) ?? null,
    numbered(job, after, number) {
      const times = timesOf(job)
      return times ? fireTimeNumber(times, after, number) : null
    },
    set: (job, times) => void cache.set(nameOf(job), times),
  }
}
