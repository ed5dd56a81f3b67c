import { compileSchedule, type FireTimes } from '@belfry/time'
import type { ListedJob } from './ports.ts'

type Scheduled = Pick<ListedJob, 'id' | 'version' | 'spec'>

/** Answers fire times of jobs, whose schedules were checked when they were made. */
export interface NextFireTimes {
  /** The job's first fire time strictly after `after` (epoch milliseconds); null when there is none. */
  next(job: Scheduled, after: number): number | null
}

/** Keeps the `capacity` compiled schedules that were asked for last; compiling one costs more than asking it. */
export function createFireTimes(capacity: number): NextFireTimes {
  const compiled = new Map<string, FireTimes | null>()
  const compile = (job: Scheduled): FireTimes | null => {
    const key = `${job.id} ${job.version}`
    const found = compiled.get(key)
    const times = found === undefined ? compileJob(job) : found
    compiled.delete(key)
    compiled.set(key, times)
    if (compiled.size > capacity) compiled.delete(compiled.keys().next().value as string)
    return times
  }
  return { next: (job, after) => compile(job)?.next(after) ?? null }
}

function compileJob({ id, spec }: Scheduled): FireTimes | null {
  const times = compileSchedule(spec.schedule, id)
  return 'fault' in times ? null : times
}
