import type { JobStatusWord } from '@belfry/contracts'
import { deriveStatus } from '../domain/status.ts'
import type { JobSummary, ListedJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { type PageRequest, type Rows, readPage } from './scan-list.ts'

interface JobFilter {
  readonly status?: JobStatusWord | undefined
  readonly jobType?: string | undefined
  /** A part of the name or key, in any case. */
  readonly q?: string | undefined
}

/** `GET /jobs`: the owner's jobs that fit the filter, newest first. */
export function listJobs(
  { stores: { jobs }, config }: Pick<JobContext, 'stores' | 'config'>,
  ownerId: string,
  filter: JobFilter,
  page: PageRequest,
): Promise<Rows<ListedJob>> {
  return readPage(config, page, {
    list: (query) => jobs.listSummaries(ownerId, query),
    fits: filter.status || filter.jobType || filter.q ? fitting(filter) : null,
    read: (rowIds) => jobs.readMany(rowIds, page.fields),
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
