import {
  type CreateJobBody,
  type InFlight,
  isRefusal,
  jobIdPattern,
  jobKey,
  type PutJobBody,
  type Refusal,
  refusal,
} from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { cancelJob, createJob, fencedChanges, isLive, type Job } from './job.ts'
import type { Executors, JobStore, StoredJob, TypeList } from './ports.ts'
import { readSpec } from './spec.ts'
import { specDifferences } from './spec-differences.ts'
import { noExecutions } from './status.ts'

export const noSuchJob = refusal('not-found', 'there is no such job')
export const noTypesYet = refusal('unavailable', 'no executor has said yet which job types there are', {
  retryAfterS: 1,
})
const keepsChanging = refusal('conflict', 'the job changed again and again meanwhile')

/** How often a change is tried on the newest version when another one came first. */
const changeTries = 5

export interface JobsContext {
  readonly store: JobStore
  readonly types: TypeList
  readonly executors: Executors
  readonly clock: Clock
  /** IANA name of the zone for what names none. */
  readonly timezone: string
  /** Jobs that one user may have, without the cancelled ones. */
  readonly mostPerUser: number
  /** When the executors are told again of a change that they did not confirm, milliseconds. */
  readonly fenceRetryMs: number
  /** Called after each commit, to have the scheduler told without waiting for the relay's sweep. */
  readonly onChanged: (job: Job & { readonly handle: number }) => void
  /** Called when the executors did not confirm a change: it is pending until the loop has told them. */
  readonly onUnconfirmed: (jobId: string, error: unknown) => void
}

/** A change that the executors have to know: `pending` while they could not be told (protocol.md, step 2). */
export interface FencedJob {
  readonly job: StoredJob
  readonly inFlight: readonly InFlight[]
  readonly effective: 'now' | 'pending'
}

interface NewJobRequest {
  readonly ownerId: string
  /** The UUID that the job's id is made of; the same in every try of one request. */
  readonly minted: string
  readonly body: CreateJobBody
}

interface PutJobRequest {
  readonly ownerId: string
  readonly minted: string
  readonly key: string
  readonly body: PutJobBody
}

/** The use cases of jobs. Every one answers only after what it did is durable. */
export interface Jobs {
  create(request: NewJobRequest): Promise<StoredJob | Refusal>
  /**
   * `PUT /jobs/:key`: creates. The same body again finds the job as it is and changes nothing; another one is a conflict.
   * The key of a cancelled job is free.
   */
  put(request: PutJobRequest): Promise<{ job: StoredJob; isNew: boolean } | Refusal>
  find(ownerId: string, ref: string): Promise<StoredJob | Refusal>
  cancel(ownerId: string, ref: string): Promise<FencedJob | Refusal>
}

export function createJobs(context: JobsContext): Jobs {
  const { store, clock } = context

  const make = async ({ ownerId, minted, body }: NewJobRequest): Promise<StoredJob | Refusal | 'key-taken'> => {
    const types = await context.types.knowing(body.jobType)
    if (!types) return noTypesYet
    const now = clock.now()
    const id = `job-${minted}`
    const read = readSpec(body, { createdAt: now, timezone: context.timezone, jobId: id, types })
    if (isRefusal(read)) return read
    const job = createJob({ id, ownerId, key: body.key ?? null, ...read, now })
    const stored = await store.create(job, context.mostPerUser)
    if (stored === 'key-taken') return stored
    if (stored === 'too-many') return tooManyJobs(context.mostPerUser)
    const { handle, fresh } = stored
    if (!fresh) return (await store.find(ownerId, id)) ?? noSuchJob
    context.onChanged({ ...job, handle })
    return { ...job, handle, fencedVersion: job.version, told: false, known: noExecutions }
  }

  const create = async (request: NewJobRequest): Promise<StoredJob | Refusal> => {
    const made = await make(request)
    return made === 'key-taken' ? keyTaken(request.body.key) : made
  }

  /** The body is read as on the day when the job was made: then the same `delay` gives the same time. */
  const compare = async (job: StoredJob, body: PutJobBody): Promise<StoredJob | Refusal> => {
    const types = await context.types.knowing(body.jobType)
    if (!types) return noTypesYet
    const named = { ...body, key: job.key ?? undefined }
    const read = readSpec(named, { createdAt: job.createdAt, timezone: context.timezone, jobId: job.id, types })
    if (isRefusal(read)) return read
    if (!isLive(job)) return cancelledForGood
    const errors = specDifferences(read.spec, job.spec)
    return errors.length === 0 ? job : refusal('conflict', notReplaced, { errors })
  }

  const put = async ({ ownerId, minted, key, body }: PutJobRequest) => {
    const isId = jobIdPattern.test(key)
    const checked = jobKey.safeParse(key)
    if (!isId && !checked.success) return badKey(checked.error.issues[0]?.message ?? 'is not a key')
    for (let tries = 0; tries < changeTries; tries++) {
      const found = await find(ownerId, key)
      if (isRefusal(found) && isId) return found
      if (!isRefusal(found) && (isId || isLive(found))) {
        const job = await compare(found, body)
        return isRefusal(job) ? job : { job, isNew: false }
      }
      const job = await make({ ownerId, minted, body: { ...body, key } })
      // Another call has made a job with this key in between: it is compared like one that was there before.
      if (job !== 'key-taken') return isRefusal(job) ? job : { job, isNew: true }
    }
    return keepsChanging
  }

  const find = async (ownerId: string, ref: string): Promise<StoredJob | Refusal> => {
    const isRef = jobIdPattern.test(ref) || jobKey.safeParse(ref).success
    return (isRef && (await store.find(ownerId, ref))) || noSuchJob
  }

  /** One compare-and-set on the version; the second one decides again on what the first has left. */
  const change = async (ownerId: string, ref: string, decide: (job: StoredJob) => Job | Refusal) => {
    for (let tries = 0; tries < changeTries; tries++) {
      const found = await find(ownerId, ref)
      if (isRefusal(found)) return found
      const next = decide(found)
      if (isRefusal(next)) return next
      if (next === found) return found
      const fenceAt = clock.now() + context.fenceRetryMs
      if (await store.change(found.handle, found.version, next, fenceAt)) {
        const changed: StoredJob = { ...found, ...next, told: false }
        context.onChanged(changed)
        return changed
      }
    }
    return keepsChanging
  }

  const fence = async (job: StoredJob): Promise<FencedJob> => {
    try {
      const { fencedVersion, inFlight } = await context.executors.fence(job.id, fencedChanges(job))
      await store.markFenced(job.handle, fencedVersion)
      if (fencedVersion >= job.version) return { job: { ...job, fencedVersion }, inFlight, effective: 'now' }
    } catch (error) {
      context.onUnconfirmed(job.id, error)
    }
    return { job, inFlight: [], effective: 'pending' }
  }

  return {
    create,
    find,
    put,
    async cancel(ownerId, ref) {
      const job = await change(ownerId, ref, (found) => cancelJob(found, clock.now()))
      return isRefusal(job) ? job : fence(job)
    },
  }
}

const cancelledForGood = refusal(
  'conflict',
  'the job is cancelled for good: make a new one with POST /jobs or under a key',
)
const notReplaced =
  'the job exists with another definition, and cannot be replaced yet: cancel it, which frees its key, or use another key'

function keyTaken(key: string | undefined): Refusal {
  const fault = { pointer: '/key', code: 'taken', detail: `another job of yours has the key "${key}"` }
  return refusal('conflict', 'the key is taken', { errors: [fault] })
}

function tooManyJobs(mostPerUser: number): Refusal {
  const detail = `a user may have ${mostPerUser} jobs that are not cancelled: cancel jobs that are not needed`
  return refusal('quota-exceeded', detail, { retryAfterS: 60 })
}

function badKey(detail: string): Refusal {
  return refusal('malformed-request', 'the key cannot be taken', {
    errors: [{ pointer: ':id', code: 'bad-format', detail }],
  })
}
