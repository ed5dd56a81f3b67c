import { type ExecutionStatus, isRefusal, type JobStatusWord, type Refusal, refusal } from '@belfry/contracts'
import type { Execution } from './execution.ts'
import { type Jobs, noSuchJob } from './jobs.ts'
import type {
  ExecutionGlance,
  ExecutionScope,
  ExecutionStore,
  Glance,
  Handle,
  JobGlance,
  JobStore,
  ListedJob,
  ListQuery,
  LongField,
  Place,
  StoredJob,
} from './ports.ts'
import { deriveStatus } from './status.ts'

export const noSuchExecution = refusal('not-found', 'there is no such execution')

/** Which page of a list: at most `limit` rows after `place` (null: from the newest on). */
export interface PageRequest {
  readonly limit: number
  readonly place: Place | null
  /** The long fields that are shown. */
  readonly fields: readonly LongField[]
}

/** `next`: where the next page begins; null on the last one. A page may be short although more follow. */
export interface Rows<T> {
  readonly rows: readonly { readonly row: T; readonly place: Place }[]
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
  /** Most bytes that the stored rows of one page have together; a page holds at least one row. */
  readonly pageBytes: number
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
  listJobs(ownerId: string, filter: JobFilter, page: PageRequest): Promise<Rows<ListedJob>>
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
    const scanned = await scan(page, (query) => executions.glance(scope, query), wanted, context)
    return readRows(scanned, (handles) => executions.read(handles, page.fields))
  }

  return {
    listExecutions,
    async listJobs(ownerId, filter, page) {
      const { status, jobType, q } = filter
      const wanted = status || jobType || q ? fitting({ status, jobType, q }) : null
      const scanned = await scan(page, (query) => jobStore.glance(ownerId, query), wanted, context)
      return readRows(scanned, (handles) => jobStore.read(handles, page.fields))
    },
    async listExecutionsOf({ ownerId, ref }, filter, page) {
      const job = await context.jobs.find(ownerId, ref)
      return isRefusal(job) ? job : listExecutions({ job: job.handle }, filter, page)
    },
    async jobInDetail(ownerId, ref) {
      const job = await context.jobs.find(ownerId, ref)
      if (isRefusal(job)) return noSuchJob
      const query = { place: null, limit: context.statusRows, fields: [] }
      return { job, recent: await executions.glance({ job: job.handle }, query) }
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

/** A page before its rows are read. */
interface Scanned {
  readonly found: readonly Glance[]
  readonly next: Place | null
}

/**
 * Walks a list from `page.place` until the page is full, one row more is known, the list ends, or `scanRows` have been
 * looked at. `wanted` null: everything is.
 */
async function scan<G extends Glance>(
  { limit, fields, place: start }: PageRequest,
  glance: (query: ListQuery) => Promise<readonly G[]>,
  wanted: ((row: G) => boolean) | null,
  { scanRows, scanChunkRows, pageBytes }: ListsContext,
): Promise<Scanned> {
  const found: G[] = []
  let place = start
  let bytes = 0
  for (let left = scanRows; left > 0; ) {
    const asked = Math.min(left, wanted ? scanChunkRows : limit + 1)
    const rows = await glance({ place, limit: asked, fields })
    for (const row of rows) {
      if (wanted && !wanted(row)) continue
      bytes += row.bytes
      const isFull = found.length === limit || (found.length > 0 && bytes > pageBytes)
      if (isFull) return { found, next: found.at(-1)?.place ?? null }
      found.push(row)
    }
    if (rows.length < asked) return { found, next: null }
    place = rows.at(-1)?.place ?? null
    left -= rows.length
  }
  return { found, next: place }
}

/** Reads the rows of a page; those that have gone since are left out. */
async function readRows<T>(
  { found, next }: Scanned,
  read: (handles: readonly Handle[]) => Promise<readonly (T | undefined)[]>,
): Promise<Rows<T>> {
  const present = await read(found.map((row) => row.handle))
  const rows = found.flatMap(({ place }, index) => {
    const row = present[index]
    return row === undefined ? [] : [{ row, place }]
  })
  return { rows, next }
}
