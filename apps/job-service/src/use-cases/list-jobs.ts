import type { JobStatusWord } from '@belfry/contracts'
import type { JobScope } from '../domain/reach.ts'
import { deriveStatus } from '../domain/status.ts'
import type { JobSummary, ListedJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { markLastRun } from './mark-last-run.ts'
import { type PageRequest, type Rows, readPage } from './scan-list.ts'

interface JobFilter {
  readonly status?: JobStatusWord | undefined
  readonly jobType?: string | undefined
  /** A part of the name or key, in any case. */
  readonly q?: string | undefined
}

/** `GET /jobs`: the jobs of a scope that fit the filter, newest first. */
export function listJobs(
  context: Pick<JobContext, 'stores' | 'scheduler' | 'schedules' | 'clock' | 'log' | 'config'>,
  scope: JobScope,
  filter: JobFilter,
  page: PageRequest,
): Promise<Rows<ListedJob>> {
  const { jobs } = context.stores
  return readPage(context.config, page, {
    list: (query) => jobs.listSummaries(scope, query),
    fits: filter.status || filter.jobType || filter.q ? fitting(filter) : null,
    read: async (rowIds) => {
      const found = await jobs.readMany(rowIds, page.fields)
      const marked = await markLastRun(
        context,
        found.filter((job) => job !== undefined),
      )
      const byId = new Map(marked.map((job) => [job.id, job]))
      return found.map((job) => job && byId.get(job.id))
    },
  })
}

function fitting({ status, jobType, q }: JobFilter): (job: JobSummary) => boolean {
  const part = q?.toLowerCase()
  const hasPart = (text: string | null) => text?.toLowerCase().includes(part as string) === true
  return (job) =>
    (jobType === undefined || job.jobType === jobType) &&
    (part === undefined || hasPart(job.name) || hasPart(job.key)) &&
    (status === undefined || deriveStatus(job.statusInput) === status)
}
