import { type CreateJobBody, isRefusal, type Refusal, refusal } from '@belfry/contracts'
import { isOutcomeUnknown } from '@belfry/storage'
import { newestVersion, newJob } from '../domain/job.ts'
import { noTypesYet } from '../domain/job-types.ts'
import { withIssues } from '../domain/secret.ts'
import { readSpec, readTiming } from '../domain/spec.ts'
import { noExecutions } from '../domain/status.ts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { noSuchJob } from './find-job.ts'
import { resolveViewers } from './resolve-viewers.ts'
import { secretIssues } from './secrets.ts'

export type CreateJobContext = Pick<
  JobContext,
  'stores' | 'types' | 'users' | 'log' | 'schedules' | 'relay' | 'clock' | 'config'
>

export interface CreateJobRequest {
  readonly ownerId: string
  /** The UUID that the job's id is made of; the same in every try of one request. */
  readonly minted: string
  readonly body: CreateJobBody
}

/** `POST /jobs`. The same request again finds the job that it has made. */
export async function createJob(context: CreateJobContext, request: CreateJobRequest): Promise<StoredJob | Refusal> {
  const job = await insertJob(context, request)
  return job === 'key-taken' ? keyTaken(request.body.key) : job
}

/** Reads the body and stores the job; `key-taken` when another live job of the owner has its key. */
export async function insertJob(
  context: CreateJobContext,
  { ownerId, minted, body }: CreateJobRequest,
): Promise<StoredJob | Refusal | 'key-taken'> {
  const { stores, schedules, relay, config } = context
  const id = `job-${minted}`
  const now = context.clock.now()
  const timing = readTiming(body, { createdAt: now, timezone: config.timezone, jobId: id })
  if (isRefusal(timing)) return timing
  const types = await context.types.knowing(body.jobType)
  if (!types) return noTypesYet
  const read = withIssues(readSpec(body, timing, types), await secretIssues(context, ownerId, body.params))
  if (isRefusal(read)) return read
  const viewers = await resolveViewers(context, body.viewers)
  if (isRefusal(viewers)) return viewers
  const job = newJob({ id, ownerId, key: body.key ?? null, ...read, viewers, now })
  const create = () => stores.jobs.create(job, config.jobMostPerUser)
  const stored = await create().catch((error: unknown) => {
    // The same id again finds what the first call has stored, or stores it.
    if (isOutcomeUnknown(error)) return create()
    throw error
  })
  if (stored === 'key-taken') return stored
  if (stored === 'too-many') return tooManyJobs(config.jobMostPerUser)
  if (!stored.isNew) return (await stores.jobs.find(ownerId, id)) ?? noSuchJob
  if (timing.times) schedules.set(job, timing.times)
  const { rowId } = stored
  relay.offer([{ rowId, ...newestVersion(job) }])
  return { ...job, rowId, fencedVersion: job.version, isPublished: false, known: noExecutions }
}

function keyTaken(key: string | undefined): Refusal {
  const issue = { pointer: '/key', code: 'taken', detail: `another job of yours has the key "${key}"` }
  return refusal('conflict', 'the key is taken', { errors: [issue] })
}

function tooManyJobs(mostPerUser: number): Refusal {
  const detail = `a user may have ${mostPerUser} jobs that are not cancelled: cancel jobs that are not needed`
  return refusal('quota-exceeded', detail, { retryAfterS: 60 })
}
