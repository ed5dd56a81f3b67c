import { type CreateJobBody, isRefusal, type Refusal, refusal } from '@belfry/contracts'
import { isOutcomeUnknown } from '@belfry/storage'
import type { FireTimes } from '@belfry/time'
import { isNeededSoon, type Job, newestVersion, newJob } from '../domain/job.ts'
import { noTypesYet } from '../domain/job-types.ts'
import { withIssues } from '../domain/secret.ts'
import { readSpec, readTiming } from '../domain/spec.ts'
import { noExecutions } from '../domain/status.ts'
import type { CreatedJob, StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { noSuchJob } from './find-job.ts'
import type { IntakeRequest } from './intake.ts'
import { resolveViewers } from './resolve-viewers.ts'
import { secretIssues } from './secrets.ts'

export type CreateJobContext = Pick<
  JobContext,
  'stores' | 'types' | 'users' | 'log' | 'schedules' | 'relay' | 'intake' | 'clock' | 'config'
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
  request: CreateJobRequest,
): Promise<StoredJob | Refusal | 'key-taken'> {
  const read = await readNewJob(context, request)
  if (isRefusal(read)) return read
  const { stores, intake, config } = context
  return intake.jobs.run(intakeOf(context, request.ownerId, [read]), async () => {
    const created = await onceMoreIfLost(() => stores.jobs.create(read.job, config.jobMostPerUser))
    return created === 'key-taken' ? created : answerCreated(context, read, created)
  })
}

/** A job that is not stored yet, with its compiled fire times where it is recurring. */
export interface NewJob {
  readonly job: Job
  readonly times: FireTimes | null
  /** The first fire time of a recurring job. */
  readonly firstAt: number | null
}

/** The job that a body describes, or why there is none. */
export async function readNewJob(
  context: CreateJobContext,
  { ownerId, minted, body }: CreateJobRequest,
): Promise<NewJob | Refusal> {
  const id = `job-${minted}`
  const now = context.clock.now()
  const timing = readTiming(body, { createdAt: now, timezone: context.config.timezone, jobId: id })
  if (isRefusal(timing)) return timing
  const types = await context.types.knowing(body.jobType)
  if (!types) return noTypesYet
  const read = withIssues(readSpec(body, timing, types), await secretIssues(context, ownerId, body.params))
  if (isRefusal(read)) return read
  const viewers = await resolveViewers(context, body.viewers)
  if (isRefusal(viewers)) return viewers
  const { times } = timing
  const firstAt = times?.next(now) ?? null
  return { job: newJob({ id, ownerId, key: body.key ?? null, ...read, viewers, now }), times, firstAt }
}

/** New jobs as the intake counts them. */
export function intakeOf(
  { clock, config }: Pick<JobContext, 'clock' | 'config'>,
  ownerId: string,
  news: readonly NewJob[],
): IntakeRequest {
  const now = clock.now()
  const isSoon = news.some(({ job, firstAt }) => isNeededSoon(job, firstAt, now, config.jobSoonMs))
  return { ownerId, items: news.length, isSoon }
}

/** A write whose answer was lost is made again: it finds what the first call has stored, or stores it. */
export function onceMoreIfLost<T>(create: () => Promise<T>): Promise<T> {
  return create().catch((error: unknown) => {
    if (isOutcomeUnknown(error)) return create()
    throw error
  })
}

/** The job as it is stored, and published if it is new; or why it is not. */
export async function answerCreated(
  { stores, schedules, relay, config }: CreateJobContext,
  { job, times, firstAt }: NewJob,
  created: CreatedJob,
): Promise<StoredJob | Refusal> {
  if (created === 'key-taken') return keyTaken(job.key ?? undefined)
  if (created === 'too-many') return tooManyJobs(config.jobMostPerUser)
  if (!created.isNew) return (await stores.jobs.find(job.ownerId, job.id)) ?? noSuchJob
  if (times) schedules.set(job, times)
  const { rowId } = created
  relay.offer([{ rowId, ...newestVersion(job, firstAt) }])
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
