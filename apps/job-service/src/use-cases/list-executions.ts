import { type ExecutionStatus, isRefusal, type Refusal } from '@belfry/contracts'
import { type Execution, isUnwell } from '../domain/execution.ts'
import { type Caller, noRights, type Rights, rightsOf } from '../domain/reach.ts'
import type { ExecutionScope, ExecutionSummary } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJobOrTombstone } from './find-job.ts'
import { type PageRequest, type Rows, readPage } from './scan-list.ts'

type ListContext = Pick<JobContext, 'stores' | 'config'>

export interface ExecutionFilter {
  readonly status?: readonly ExecutionStatus[] | undefined
  readonly jobType?: string | undefined
  /** A tag of the job. */
  readonly tag?: string | undefined
  /** A part of the name or key of the job, in any case. */
  readonly q?: string | undefined
  /** Fire times between these, both included, epoch milliseconds. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** Left out: the newest fire time first. */
  readonly isOldestFirst?: boolean | undefined
}

/** `GET /executions` and `GET /dead-letters`: the executions of a scope that fit the filter, in the order of their fire times. */
export function listExecutions(
  { stores: { executions }, config }: ListContext,
  scope: ExecutionScope,
  filter: ExecutionFilter,
  page: PageRequest,
): Promise<Rows<Execution>> {
  const { status, tag, q, from, to, isOldestFirst } = filter
  const withJob = tag !== undefined || q !== undefined
  const asked = { from, to, isOldestFirst, withJob, isUnwell: status?.every(isUnwell) }
  return readPage(config, page, {
    list: (query) => executions.listSummaries(scope, { ...query, ...asked }),
    fits: fitting(filter),
    read: (rowIds) => executions.readMany(rowIds, page.fields),
    // A run may have ended between the search and the read.
    stillFits: status === undefined ? null : (one) => status.includes(one.status),
  })
}

/** Whether an execution is on a list; null when every one is. */
function fitting({ status, jobType, tag, q }: ExecutionFilter): ((one: ExecutionSummary) => boolean) | null {
  if ([status, jobType, tag, q].every((wanted) => wanted === undefined)) return null
  const part = q?.toLowerCase()
  const hasPart = (text: string | null | undefined) => text?.toLowerCase().includes(part as string) === true
  return (one) =>
    (status === undefined || status.includes(one.status)) &&
    (jobType === undefined || one.jobType === jobType) &&
    (tag === undefined || one.job?.tags.includes(tag) === true) &&
    (part === undefined || hasPart(one.job?.name) || hasPart(one.job?.key))
}

/** `GET /jobs/:id/executions`, also of a deleted job. Params and results are left out where the caller may not see them. */
export async function listExecutionsOfJob(
  context: ListContext,
  { caller, ref }: { readonly caller: Caller; readonly ref: string },
  filter: ExecutionFilter,
  page: PageRequest,
): Promise<(Rows<Execution> & { readonly rights: Rights }) | Refusal> {
  const job = await findJobOrTombstone(context, caller, ref)
  if (isRefusal(job)) return job
  const rights = rightsOf(caller, job) ?? noRights
  const fields = rights.seesDetails ? page.fields : []
  return { ...(await listExecutions(context, { jobRowId: job.rowId }, filter, { ...page, fields })), rights }
}
