import { isRecurring } from '@belfry/contracts'
import type { ListedJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'

/** Only the scheduler counts the runs of a job; an `endAt` that has passed shows without it. */
function mayHaveEnded({ state, spec: { schedule } }: ListedJob): boolean {
  return state === 'active' && isRecurring(schedule) && schedule.maxRuns !== undefined
}

/**
 * The jobs with `known.lastAt` where the scheduler has no fire time left for them: it is asked once, and only about jobs with
 * `maxRuns`. While it does not answer they show as if runs were left.
 */
export async function markEnded<J extends ListedJob>(
  { scheduler, log }: Pick<JobContext, 'scheduler' | 'log'>,
  jobs: readonly J[],
): Promise<readonly J[]> {
  const asked = jobs.filter(mayHaveEnded).map(({ id }) => id)
  if (asked.length === 0) return jobs
  const ended = await scheduler.ended(asked).catch((err: unknown) => {
    log.warn({ err, jobs: asked.length }, 'the scheduler does not say which schedules have ended')
    return []
  })
  const byId = new Map(ended.map((one) => [one.id, one]))
  return jobs.map((job) => {
    const end = byId.get(job.id)
    return end?.version === job.version ? { ...job, known: { ...job.known, lastAt: end.lastFireAt ?? 0 } } : job
  })
}
