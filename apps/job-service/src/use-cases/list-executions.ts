import { type ExecutionStatus, isRefusal, type Refusal } from '@belfry/contracts'
import type { Execution } from '../domain/execution.ts'
import { type Caller, noRights, type Rights, rightsOf } from '../domain/reach.ts'
import type { ExecutionScope, ExecutionSummary } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJobOrTombstone } from './find-job.ts'
import { type PageRequest, type Rows, readPage } from './scan-list.ts'

type ListContext = Pick<JobContext, 'stores' | 'config'>

interface ExecutionFilter {
  readonly status?: ExecutionStatus | undefined
  readonly jobType?: string | undefined
}

/** `GET /executions` and `GET /dead-letters`: the executions of a scope that fit the filter, newest fire time first. */
export function listExecutions(
  { stores: { executions }, config }: ListContext,
  scope: ExecutionScope,
  { status, jobType }: ExecutionFilter,
  page: PageRequest,
): Promise<Rows<Execution>> {
  const fits = (one: ExecutionSummary) =>
    (status === undefined || one.status === status) && (jobType === undefined || one.jobType === jobType)
  return readPage(config, page, {
    list: (query) => executions.listSummaries(scope, query),
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
