import type { JobStatusWord } from '@belfry/contracts'
import type { JobScope } from '../domain/reach.ts'
import { deriveStatus, statusInputOf } from '../domain/status.ts'
import type { JobSummary, ListedJob, LongField } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { markLastRun } from './mark-last-run.ts'
import { type PageRequest, type Rows, readPage } from './scan-list.ts'

export type ListJobsContext = Pick<JobContext, 'stores' | 'scheduler' | 'schedules' | 'clock' | 'log' | 'config'>

/** Which jobs of a list are shown; times are epoch milliseconds, both included. */
export interface JobFilter {
  readonly status?: readonly JobStatusWord[] | undefined
  readonly jobType?: string | undefined
  readonly tag?: string | undefined
  /** A part of the name or key, in any case. */
  readonly q?: string | undefined
  readonly createdFrom?: number | undefined
  readonly createdTo?: number | undefined
}

/** `GET /jobs`: the jobs of a scope that fit the filter, newest first. */
export function listJobs(
  context: ListJobsContext,
  scope: JobScope,
  filter: JobFilter,
  page: PageRequest,
): Promise<Rows<ListedJob>> {
  const { jobs } = context.stores
  const withTags = filter.tag !== undefined
  return readPage<JobSummary, ListedJob>(context.config, page, {
    list: (query) => jobs.listSummaries(scope, { ...query, withTags }),
    fits: fitting(filter),
    stillFits: stillFitting(filter),
    read: (rowIds) => readListed(context, rowIds, page.fields),
  })
}

/** The jobs of these rows as lists show them; undefined for those that were removed. */
export async function readListed(
  context: ListJobsContext,
  rowIds: Parameters<JobContext['stores']['jobs']['readMany']>[0],
  fields: readonly LongField[],
): Promise<(ListedJob | undefined)[]> {
  const found = await context.stores.jobs.readMany(rowIds, fields)
  const marked = await markLastRun(
    context,
    found.filter((job) => job !== undefined),
  )
  const byId = new Map(marked.map((job) => [job.id, job]))
  return found.map((job) => job && byId.get(job.id))
}

/** The same of a job that was read; null when every one is on the list. */
export function stillFitting(filter: JobFilter): ((job: ListedJob) => boolean) | null {
  const fits = fitting(filter)
  return fits && ((job) => fits(filteredOf(job)))
}

function filteredOf(job: ListedJob): Filtered {
  const { spec, key, createdAt } = job
  return { name: spec.name, key, jobType: spec.jobType, tags: spec.tags, createdAt, statusInput: statusInputOf(job) }
}

/** What the filters ask about. */
type Filtered = Pick<JobSummary, 'name' | 'key' | 'jobType' | 'tags' | 'createdAt' | 'statusInput'>

/** Whether a job is on a list; null when every one is. */
export function fitting(filter: JobFilter): ((job: Filtered) => boolean) | null {
  const { status, jobType, tag, q, createdFrom = 0, createdTo = Number.POSITIVE_INFINITY } = filter
  if (Object.values(filter).every((wanted) => wanted === undefined)) return null
  const part = q?.toLowerCase()
  const hasPart = (text: string | null) => text?.toLowerCase().includes(part as string) === true
  return (job) =>
    (jobType === undefined || job.jobType === jobType) &&
    (tag === undefined || job.tags.includes(tag)) &&
    (part === undefined || hasPart(job.name) || hasPart(job.key)) &&
    job.createdAt >= createdFrom &&
    job.createdAt <= createdTo &&
    (status === undefined || status.includes(deriveStatus(job.statusInput)))
}
