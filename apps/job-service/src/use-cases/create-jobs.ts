import { type CreateJobBody, isRefusal, type Refusal } from '@belfry/contracts'
import { inPlaces, itemUuid } from '../domain/batch.ts'
import type { CreatedJob, StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import {
  answerCreated,
  type CreateJobContext,
  intakeOf,
  type NewJob,
  onceMoreIfLost,
  readNewJob,
} from './create-job.ts'

type Context = CreateJobContext & Pick<JobContext, 'slices'>

export interface CreateJobsRequest {
  readonly ownerId: string
  /** The UUID that the ids of the jobs are made of; the same in every try of one request. */
  readonly minted: string
  readonly items: readonly unknown[]
  /** The body that an item is, or the refusal of one that does not fit. */
  readonly check: (item: unknown) => CreateJobBody | Refusal
}

/**
 * `POST /jobs/batch`: each item as `POST /jobs` answers it, in their order. All that may be stored are stored in one call; one
 * item that is refused leaves the others alone. The same request again finds the jobs that it has made.
 */
export async function createJobs(
  context: Context,
  { ownerId, minted, items, check }: CreateJobsRequest,
): Promise<readonly (StoredJob | Refusal)[] | Refusal> {
  const readOne = (item: unknown, index: number): NewJob | Refusal | Promise<NewJob | Refusal> => {
    const body = check(item)
    return isRefusal(body) ? body : readNewJob(context, { ownerId, minted: itemUuid(minted, index), body })
  }
  const read = await context.slices.each(items, (slice, from) =>
    Promise.all(slice.map((item, index) => readOne(item, from + index))),
  )
  const results = read.flat()
  const news = results.filter((one): one is NewJob => !isRefusal(one))
  const jobs = news.map(({ job }) => job)
  if (jobs.length === 0) return inPlaces(results, [])
  const { stores, intake, config } = context
  return intake.jobs.run(intakeOf(context, ownerId, news), async () => {
    const created = await onceMoreIfLost(() => stores.jobs.createMany(jobs, config.jobMostPerUser))
    const answers = news.map((one, index) => answerCreated(context, one, created[index] as CreatedJob))
    return inPlaces(results, await Promise.all(answers))
  })
}
