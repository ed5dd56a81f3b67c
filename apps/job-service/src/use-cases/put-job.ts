import { isRefusal, jobIdPattern, jobKey, type PutJobBody, type Refusal, refusal } from '@belfry/contracts'
import { isLive } from '../domain/job.ts'
import { noTypesYet } from '../domain/job-types.ts'
import { readSpec, readTiming } from '../domain/spec.ts'
import { specDifferences } from '../domain/spec-differences.ts'
import type { StoredJob } from '../store/ports.ts'
import { type CreateJobContext, insertJob } from './create-job.ts'
import { findJob } from './find-job.ts'
import { onNewestVersion } from './retry.ts'

interface PutJobRequest {
  readonly ownerId: string
  /** The UUID that the id of a new job is made of. */
  readonly minted: string
  readonly key: string
  readonly body: PutJobBody
}

interface PutJob {
  readonly job: StoredJob
  readonly isNew: boolean
}

/**
 * `PUT /jobs/:key`: creates. The same body again finds the job as it is and changes nothing; another one is a conflict.
 * The key of a cancelled job is free.
 */
export async function putJob(
  context: CreateJobContext,
  { ownerId, minted, key, body }: PutJobRequest,
): Promise<PutJob | Refusal> {
  const isId = jobIdPattern.test(key)
  const checked = jobKey.safeParse(key)
  if (!isId && !checked.success) return badKey(checked.error.issues[0]?.message ?? 'is not a key')
  return onNewestVersion<PutJob | Refusal>(async () => {
    const found = await findJob(context, ownerId, key)
    if (isRefusal(found) && isId) return found
    if (!isRefusal(found) && (isId || isLive(found))) {
      const job = await compare(context, found, body)
      return isRefusal(job) ? job : { job, isNew: false }
    }
    const job = await insertJob(context, { ownerId, minted, body: { ...body, key } })
    // Another call has made a job with this key in between: the next try compares it.
    if (job === 'key-taken') return undefined
    return isRefusal(job) ? job : { job, isNew: true }
  })
}

/** The body is read as of the creation of the job: then the same `delay` gives the same time. */
async function compare(
  { types, schedules, config }: CreateJobContext,
  job: StoredJob,
  body: PutJobBody,
): Promise<StoredJob | Refusal> {
  const timing = readTiming(body, { createdAt: job.createdAt, timezone: config.timezone, jobId: job.id })
  if (isRefusal(timing)) return timing
  const known = await types.knowing(body.jobType)
  if (!known) return noTypesYet
  const read = readSpec({ ...body, key: job.key ?? undefined }, timing, known)
  if (isRefusal(read)) return read
  if (!isLive(job)) return cancelledForGood
  const errors = specDifferences(read.spec, job.spec)
  if (errors.length > 0) return refusal('conflict', notReplaced, { errors })
  if (timing.times) schedules.set(job, timing.times)
  return job
}

const cancelledForGood = refusal(
  'conflict',
  'the job is cancelled for good: make a new one with POST /jobs or under a key',
)
const notReplaced =
  'the job exists with another definition, and cannot be replaced yet: cancel it, which frees its key, or use another key'

function badKey(detail: string): Refusal {
  return refusal('malformed-request', 'the key cannot be taken', {
    errors: [{ pointer: ':id', code: 'bad-format', detail }],
  })
}
