import { isRecurring } from '@belfry/contracts'
import type { ListedJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'

/** Only the scheduler counts the runs of a job; an `endAt` that has passed shows without it. */
function mayHaveEnded({ state, spec: { schedule } }: ListedJob): boolean {
  return state === 'active' && isRecurring(schedule) && schedule.maxRuns !== undefined
}

/**
 * The jobs with `known.hasEnded` where the scheduler has no fire time left for them: it is asked once, and only about jobs with
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
    return new Map<string, number>()
  })
  return jobs.map((job) => {
    return ended.get(job.id) === job.version ? { ...job, known: { ...job.known, hasEnded: true } } : job
  })
}
