import { type ExecutionStatus, isRefusal, type JobStatusWord, type Refusal, refusal } from '@belfry/contracts'
import type { Execution } from './execution.ts'
import { type Jobs, noSuchJob } from './jobs.ts'
import type {
  ExecutionGlance,
  ExecutionScope,
  ExecutionStore,
  Handle,
  JobGlance,
  JobStore,
  Place,
  StoredJob,
} from './ports.ts'
import { deriveStatus } from './status.ts'

export const noSuchExecution = refusal('not-found', 'there is no such execution')

/** Which page of a list: at most `limit` rows after `place` (null: from the newest on). */
export interface PageRequest {
  readonly limit: number
  readonly place: Place | null
}

/** `next`: where the next page begins; null on the last one. A page may be short although more follow. */
export interface Rows<T> {
  readonly rows: readonly T[]
  readonly next: Place | null
}

interface JobFilter {
  readonly status?: JobStatusWord | undefined
  readonly jobType?: string | undefined
  /** A part of the name or key, in any case. */
  readonly q?: string | undefined
}

interface ExecutionFilter {
  readonly status?: ExecutionStatus | undefined
  readonly jobType?: string | undefined
}

export interface ListsContext {
  readonly jobs: Jobs
  readonly jobStore: JobStore
  readonly executions: ExecutionStore
  /** Most rows that one page looks at, and how many of them at a time: a filter may fit few of very many. */
  readonly scanRows: number
  readonly scanChunkRows: number
  /** How many of a job's newest executions its status looks at. */
  readonly statusRows: number
}

/** A job with its newest executions, newest first. */
export interface JobInDetail {
  readonly job: StoredJob
  readonly recent: readonly ExecutionGlance[]
}

/** Everything that is only read. */
export interface Lists {
  listJobs(ownerId: string, filter: JobFilter, page: PageRequest): Promise<Rows<StoredJob>>
  listExecutions(scope: ExecutionScope, filter: ExecutionFilter, page: PageRequest): Promise<Rows<Execution>>
  listExecutionsOf(
    job: { ownerId: string; ref: string },
    filter: ExecutionFilter,
    page: PageRequest,
  ): Promise<Rows<Execution> | Refusal>
  jobInDetail(ownerId: string, ref: string): Promise<JobInDetail | Refusal>
}

export function createLists(context: ListsContext): Lists {
  const { jobStore, executions } = context

  const listExecutions: Lists['listExecutions'] = async (scope, filter, page) => {
    const wanted = filter.status || filter.jobType ? (one: ExecutionGlance) => fitsExecution(one, filter) : null
    const glance = (place: Place | null, limit: number) => executions.glance(scope, place, limit)
    const { rows, next } = await scan(page, glance, wanted, context)
    return { rows: await executions.read(rows), next }
  }

  return {
    listExecutions,
    async listJobs(ownerId, filter, page) {
      const wanted = Object.values(filter).some(Boolean) ? fitting(filter) : null
      const glance = (place: Place | null, limit: number) => jobStore.glance(ownerId, place, limit)
      const { rows, next } = await scan(page, glance, wanted, context)
      return { rows: await jobStore.read(rows), next }
    },
    async listExecutionsOf({ ownerId, ref }, filter, page) {
      const job = await context.jobs.find(ownerId, ref)
      return isRefusal(job) ? job : listExecutions({ job: job.handle }, filter, page)
    },
    async jobInDetail(ownerId, ref) {
      const job = await context.jobs.find(ownerId, ref)
      if (isRefusal(job)) return noSuchJob
      return { job, recent: await executions.glance({ job: job.handle }, null, context.statusRows) }
    },
  }
}

function fitting({ status, jobType, q }: JobFilter): (job: JobGlance) => boolean {
  const part = q?.toLowerCase()
  const hasPart = (text: string | null) => text?.toLowerCase().includes(part as string) === true
  return (job) =>
    (jobType === undefined || job.jobType === jobType) &&
    (part === undefined || hasPart(job.name) || hasPart(job.key)) &&
    (status === undefined || deriveStatus(job.standing) === status)
}

function fitsExecution(execution: ExecutionGlance, { status, jobType }: ExecutionFilter): boolean {
  return (
    (status === undefined || execution.status === status) && (jobType === undefined || execution.jobType === jobType)
  )
}

/**
 * Walks a list from `page.place` until the page is full, one row more is known, the list ends, or `scanRows` have been
 * looked at. Answers the handles of what is wanted (null: everything).
 */
async function scan<G extends { readonly handle: Handle; readonly place: Place }>(
  page: PageRequest,
  glance: (place: Place | null, limit: number) => Promise<readonly G[]>,
  wanted: ((row: G) => boolean) | null,
  { scanRows, scanChunkRows }: ListsContext,
): Promise<Rows<Handle>> {
  const found: G[] = []
  const answer = (next: Place | null) => ({ rows: found.map((row) => row.handle), next })
  let place = page.place
  for (let left = scanRows; left > 0; ) {
    const asked = Math.min(left, wanted ? scanChunkRows : page.limit + 1)
    const rows = await glance(place, asked)
    for (const row of rows) {
      if (wanted && !wanted(row)) continue
      if (found.length === page.limit) return answer(found.at(-1)?.place ?? null)
      found.push(row)
    }
    if (rows.length < asked) return answer(null)
    place = rows.at(-1)?.place ?? null
    left -= rows.length
  }
  return answer(place)
}
