import { type BulkExecutionsReply, type ExecutionStatus, isRefusal, type Refusal } from '@belfry/contracts'
import { hasEnded } from '../domain/execution.ts'
import type { Caller } from '../domain/reach.ts'
import type { ExecutionScope, ExecutionSummary, ListPosition } from '../store/ports.ts'
import { cancelExecution, checkCancel } from './cancel-execution.ts'
import type { JobContext } from './context.ts'
import type { FoundExecution } from './find-execution.ts'
import { findJobOrTombstone } from './find-job.ts'
import { inParts } from './in-parts.ts'
import { type RedriveResult, runAgain } from './redrive.ts'
import { type Rows, readPage } from './scan-list.ts'
import { backlogFull } from './trigger-job.ts'

type BulkContext = Pick<
  JobContext,
  'stores' | 'types' | 'commands' | 'intake' | 'executors' | 'waiters' | 'clock' | 'log' | 'config'
>
type Result = BulkExecutionsReply['results'][number]

export interface BulkExecutions {
  readonly caller: Caller
  readonly action: 'retry' | 'cancel'
  /** Of a job, by id or key; null: of all jobs of the caller. */
  readonly jobRef: string | null
  readonly jobType: string | null
  /** Null: those that the action is for. */
  readonly statuses: readonly ExecutionStatus[] | null
  /** Fire times, both included, epoch milliseconds. */
  readonly from: number | undefined
  readonly to: number | undefined
  readonly limit: number
  readonly dryRun: boolean
  readonly reason: string | undefined
  readonly after: ListPosition | null
}

export interface BulkExecutionsPage extends Omit<BulkExecutionsReply, 'page'> {
  readonly next: ListPosition | null
}

const usual = {
  retry: ['FAILED', 'LOST', 'EXPIRED'],
  cancel: ['SCHEDULED', 'RUNNING', 'RETRYING'],
} as const satisfies Record<string, readonly ExecutionStatus[]>

/**
 * `POST /executions/bulk`: retries or cancels what fits the filter, newest fire time first. A retry makes one execution of each,
 * however often it is called, as a redrive does; so a call that was cut off is simply repeated.
 */
export async function actInBulk(context: BulkContext, asked: BulkExecutions): Promise<BulkExecutionsPage | Refusal> {
  const { action, dryRun } = asked
  if (action === 'retry' && !dryRun && context.commands.isFull()) return backlogFull
  const scope = await scopeOf(context, asked)
  if (isRefusal(scope)) return scope
  const { rows, next } = await find(context, scope, asked)
  const found = rows.map(({ row }) => row)
  const results = action === 'retry' ? await retryAll(context, asked, found) : await cancelAll(context, asked, found)
  const countOf = (...outcomes: Result['outcome'][]) =>
    results.filter(({ outcome }) => outcomes.includes(outcome)).length
  const counts = {
    done: countOf('retried', 'cancelled', 'cancelling'),
    already: countOf('already-retried'),
    refused: countOf('refused'),
  }
  return { action, dryRun, counts, results: [...results], next }
}

async function scopeOf(context: BulkContext, { caller, jobRef }: BulkExecutions): Promise<ExecutionScope | Refusal> {
  if (jobRef === null) return { ownerId: caller.userId }
  const job = await findJobOrTombstone(context, caller, jobRef, 'operate')
  return isRefusal(job) ? job : { jobRowId: job.rowId }
}

const statusesOf = ({ action, statuses }: BulkExecutions): readonly ExecutionStatus[] => statuses ?? usual[action]

function find(
  { stores: { executions }, config }: BulkContext,
  scope: ExecutionScope,
  asked: BulkExecutions,
): Promise<Rows<ExecutionSummary>> {
  const { jobType, from, to, limit, after } = asked
  const statuses = statusesOf(asked)
  const byRow = new Map<unknown, ExecutionSummary>()
  return readPage<ExecutionSummary, ExecutionSummary>(
    config,
    { limit, after, fields: [] },
    {
      async list(query) {
        const rows = await executions.listSummaries(scope, { ...query, from, to })
        for (const row of rows) byRow.set(row.rowId, row)
        return rows
      },
      fits: (one) => statuses.includes(one.status) && (jobType === null || one.jobType === jobType),
      read: async (rowIds) => rowIds.map((rowId) => byRow.get(rowId)),
      stillFits: null,
    },
  )
}

const retryOutcomes: Record<RedriveResult['outcome'], Result['outcome']> = {
  redriven: 'retried',
  'already-redriven': 'already-retried',
  refused: 'refused',
}

async function retryAll(
  context: BulkContext,
  asked: BulkExecutions,
  found: readonly ExecutionSummary[],
): Promise<Result[]> {
  const { caller, dryRun, reason } = asked
  const statuses = statusesOf(asked).filter((status) => hasEnded({ status }))
  const results = await runAgain(context, caller, { dryRun, reason, statuses }, found)
  return results.map((one) => ({ ...one, outcome: retryOutcomes[one.outcome] }))
}

async function cancelAll(
  context: BulkContext,
  { caller, dryRun }: BulkExecutions,
  found: readonly ExecutionSummary[],
): Promise<readonly Result[]> {
  const about = (id: string) => ({ id, executionId: null, code: null, detail: null })
  let away: Refusal | null = null
  return inParts(found, context.config.jobBulkAtWork, async ({ id, status }): Promise<Result> => {
    const ended = dryRun ? checkCancel({ status }) : null
    if (dryRun && !ended) return { ...about(id), outcome: status === 'RUNNING' ? 'cancelling' : 'cancelled' }
    // Executors that do not answer are asked once: each of many calls would else wait for its time-out.
    const answer: Refusal | FoundExecution = ended ?? away ?? (await cancelExecution(context, caller, id))
    if (isRefusal(answer) && answer.code === 'unavailable') away = answer
    if (isRefusal(answer)) return { ...about(id), outcome: 'refused', code: answer.code, detail: answer.detail }
    return { ...about(id), outcome: answer.execution.status === 'CANCELLED' ? 'cancelled' : 'cancelling' }
  })
}
