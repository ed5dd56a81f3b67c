import { type ExecutionStatus, isRefusal, type Refusal } from '@belfry/contracts'
import type { Execution } from '../domain/execution.ts'
import { type Caller, noRights, type Rights, rightsOf } from '../domain/reach.ts'
import type { ExecutionScope, ExecutionSummary } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJobOrTombstone } from './find-job.ts'
import { type PageRequest, type Rows, readPage } from './scan-list.ts'

type ListContext = Pick<JobContext, 'stores' | 'config'>

export interface ExecutionFilter {
  readonly status?: readonly ExecutionStatus[] | undefined
  readonly jobType?: string | undefined
  /** Fire times between these, both included, epoch milliseconds. */
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** `GET /executions` and `GET /dead-letters`: the executions of a scope that fit the filter, newest fire time first. */
export function listExecutions(
  { stores: { executions }, config }: ListContext,
  scope: ExecutionScope,
  { status, jobType, from, to }: ExecutionFilter,
  page: PageRequest,
): Promise<Rows<Execution>> {
  const fits = (one: ExecutionSummary) =>
    (status === undefined || status.includes(one.status)) && (jobType === undefined || one.jobType === jobType)
  return readPage(config, page, {
    list: (query) => executions.listSummaries(scope, { ...query, from, to }),
    fits: status || jobType ? fits : null,
    read: (rowIds) => executions.readMany(rowIds, page.fields),
  })
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
