import { isRecurring, type ScheduleRunsReply } from '@belfry/contracts'
import type { ListedJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'

type RunsContext = Pick<JobContext, 'scheduler' | 'schedules' | 'clock' | 'log'>
type Runs = ScheduleRunsReply['data'][number]

/** Null for a job that has none. */
function maxRunsOf({ state, spec: { schedule } }: ListedJob): number | null {
  return (state === 'active' && isRecurring(schedule) && schedule.maxRuns) || null
}

/** More runs than an answer shows. */
const manyRuns = 1000

/**
 * The fire time of the job's last run; undefined while it is many runs away, where the job has fewer fire times than runs, and while
 * the scheduler is behind: of the fire times that it has not decided on some may be missed, so that later ones run.
 */
function lastAtOf({ schedules, clock }: RunsContext, job: ListedJob, maxRuns: number, runs: Runs): number | undefined {
  const left = maxRuns - runs.fired
  if (runs.nextFireAt === null || left <= 0) return runs.lastFireAt ?? 0
  if (left > manyRuns) return undefined
  const at = schedules.numbered(job, runs.nextFireAt - 1, left)
  return at !== null && at > clock.now() ? at : undefined
}

/**
 * The jobs with `known.lastAt` where they have `maxRuns`. Only the scheduler counts runs: it is asked once, about those jobs. While
 * it does not answer, they show as if runs were left.
 */
export async function markLastRun<J extends ListedJob>(
  context: RunsContext,
  jobs: readonly J[],
): Promise<readonly J[]> {
  const asked = jobs.filter((job) => maxRunsOf(job) !== null).map(({ id }) => id)
  if (asked.length === 0) return jobs
  const answer = await context.scheduler.runsOf(asked).catch((err: unknown) => {
    context.log.warn({ err, jobs: asked.length }, 'the scheduler does not say how many runs are left')
    return []
  })
  const byId = new Map(answer.map((one) => [one.id, one]))
  return jobs.map((job) => {
    const [maxRuns, runs] = [maxRunsOf(job), byId.get(job.id)]
    if (maxRuns === null || runs?.version !== job.version) return job
    const lastAt = lastAtOf(context, job, maxRuns, runs)
    return lastAt === undefined ? job : { ...job, known: { ...job.known, lastAt } }
  })
}
