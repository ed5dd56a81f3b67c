import {
  type ExecutionStatus,
  isRefusal,
  type RedriveBody,
  type RedriveReply,
  type Refusal,
  refusal,
} from '@belfry/contracts'
import type { RowId } from '@belfry/storage'
import { type Execution, redriveId } from '../domain/execution.ts'
import { type Caller, isOperator } from '../domain/reach.ts'
import type { ExecutionSummary, StoredJob, Trigger } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { noSuchExecution } from './find-execution.ts'
import { findJobOrTombstone } from './find-job.ts'
import { orLost } from './retry.ts'
import { jobToRunAgain } from './retry-execution.ts'
import { backlogFull, checkParams, newTrigger } from './trigger-job.ts'

type RedriveContext = Pick<JobContext, 'stores' | 'types' | 'commands' | 'intake' | 'clock' | 'config'>
export type RedriveResult = RedriveReply['results'][number]
type Result = RedriveResult
type Filter = NonNullable<RedriveBody['filter']>

/** How often a dead letter is tried on the newest version of its job when the job changes meanwhile. */
const tries = 5

/** One dead letter that may be run again. */
interface Candidate {
  readonly execution: Execution
  readonly job: StoredJob
  readonly params: Record<string, unknown> | undefined
}

interface Found {
  /** In the order of the answer; null where there is no such execution. */
  readonly rows: readonly { readonly id: string; readonly rowId: RowId | null }[]
  readonly more: boolean
}

/**
 * `POST /dead-letters/redrive`: runs dead letters again, each once: the id of the new execution follows from the dead letter's, so
 * a repetition finds what the first call has made. A process that dies in between leaves dead letters that the next call finds
 * made, and marks.
 */
export async function redrive(
  context: RedriveContext,
  caller: Caller,
  body: RedriveBody,
): Promise<RedriveReply | Refusal> {
  if (context.commands.isFull() && !body.dryRun) return backlogFull
  const found = await find(context, caller, body)
  if (isRefusal(found)) return found
  const { jobRedriveRows: rows } = context.config
  const results: Result[] = []
  for (let at = 0; at < found.rows.length; at += rows)
    results.push(
      ...(await runAgain(context, caller, { ...body, statuses: deadLetters }, found.rows.slice(at, at + rows))),
    )
  const countOf = (outcome: Result['outcome']) => results.filter((one) => one.outcome === outcome).length
  const counts = {
    redriven: countOf('redriven'),
    alreadyRedriven: countOf('already-redriven'),
    refused: countOf('refused'),
  }
  return { dryRun: body.dryRun, counts, results, more: found.more }
}

async function find(context: RedriveContext, caller: Caller, body: RedriveBody): Promise<Found | Refusal> {
  if (body.filter) return findFitting(context, caller, body.filter, body.limit)
  const ids = [...new Set(body.ids)]
  const rowIds = await context.stores.executions.readRowIds(ids)
  return { rows: ids.map((id, index) => ({ id, rowId: rowIds[index] ?? null })), more: false }
}

/** The newest dead letters that fit; `more` also when so many rows were looked at that the rest is left to another call. */
async function findFitting(
  context: RedriveContext,
  caller: Caller,
  { jobId, jobType, from, to }: Filter,
  limit: number,
): Promise<Found | Refusal> {
  const { stores, config } = context
  const job = jobId === undefined ? null : await findJobOrTombstone(context, caller, jobId, 'operate')
  if (isRefusal(job)) return job
  const { ownerId } = job ?? { ownerId: caller.userId }
  const fits = (one: ExecutionSummary) =>
    (job === null || one.jobRowId === job.rowId) && (jobType === undefined || one.jobType === jobType)
  const rows: ExecutionSummary[] = []
  let after: ExecutionSummary['position'] | null = null
  for (let left = config.jobRedriveScanRows; left > 0; left -= config.jobScanChunkRows) {
    const query = { after, limit: config.jobScanChunkRows, fields: [], from, to }
    const page: ExecutionSummary[] = await stores.executions.listSummaries({ ownerId, failed: true }, query)
    rows.push(...page.filter(fits))
    if (rows.length > limit) return { rows: rows.slice(0, limit), more: true }
    const last = page.at(-1)
    if (page.length < config.jobScanChunkRows || !last) return { rows, more: false }
    after = last.position
  }
  return { rows, more: true }
}

const deadLetters: readonly ExecutionStatus[] = ['FAILED']

interface RunAgain {
  readonly dryRun: boolean
  readonly reason?: string | undefined
  /** Executions with these may be run again. */
  readonly statuses: readonly ExecutionStatus[]
}

/** Runs a page of executions again, each once; a result for each. */
export async function runAgain(
  context: RedriveContext,
  caller: Caller,
  { dryRun, reason, statuses }: RunAgain,
  rows: Found['rows'],
): Promise<RedriveResult[]> {
  const results = new Map<string, Result>()
  let left = rows
  for (let round = 0; round < tries && left.length > 0; round++) {
    const candidates = await readCandidates(context, { caller, statuses }, left, results)
    if (dryRun) for (const { execution } of candidates) results.set(execution.id, made(execution.id, 'redriven', null))
    else if (candidates.length > 0) {
      const asked = { ownerId: caller.userId, items: candidates.length, isSoon: false }
      const stored = await context.intake.triggers.run(asked, () => store(context, candidates, reason ?? null, results))
      if (stored) for (const { execution } of candidates) results.set(execution.id, refused(execution.id, stored))
    }
    left = left.filter(({ id }) => !results.has(id))
  }
  return rows.map(({ id }) => results.get(id) ?? refused(id, keepsChanging))
}

/** Those that may be run again; the results of the others are set. */
async function readCandidates(
  context: RedriveContext,
  { caller, statuses }: { readonly caller: Caller } & Pick<RunAgain, 'statuses'>,
  rows: Found['rows'],
  results: Map<string, Result>,
): Promise<Candidate[]> {
  const { executions } = context.stores
  const present = rows.flatMap(({ rowId }) => (rowId === null ? [] : [rowId]))
  const read = await executions.readMany(present, [])
  const mayRedrive = (one: Execution) => one.ownerId === caller.userId || isOperator(caller)
  const byId = new Map(read.flatMap((one) => (one && mayRedrive(one) ? [[one.id, one] as const] : [])))
  const jobs = new Map<string, Promise<StoredJob | Refusal>>()
  const candidates: Candidate[] = []
  for (const { id, rowId } of rows) {
    const execution = byId.get(id)
    if (!execution || rowId === null) results.set(id, refused(id, noSuchExecution))
    else if (execution.retriedBy !== null) results.set(id, made(id, 'already-redriven', execution.retriedBy))
    else {
      const job = jobs.get(execution.jobId) ?? jobToRunAgain(context, execution)
      jobs.set(execution.jobId, job)
      const candidate = statuses.includes(execution.status)
        ? await readCandidate(context, execution, rowId, await job)
        : notOneOf(execution, statuses)
      if (isRefusal(candidate)) results.set(id, refused(id, candidate))
      else candidates.push(candidate)
    }
  }
  return candidates
}

async function readCandidate(
  context: RedriveContext,
  execution: Execution,
  rowId: RowId,
  job: StoredJob | Refusal,
): Promise<Candidate | Refusal> {
  if (isRefusal(job)) return job
  if (!execution.hasOwnParams) return { execution, job, params: undefined }
  const [whole] = await context.stores.executions.readMany([rowId], ['params'])
  const params = whole?.params ?? {}
  return (await checkParams(context, job, params)) ?? { execution, job, params }
}

function notOneOf({ status }: Execution, statuses: readonly ExecutionStatus[]): Refusal {
  const detail =
    statuses === deadLetters ? `it is ${status}: no dead letter` : `it is ${status}, and not ${statuses.join(' or ')}`
  return refusal('illegal-transition', detail)
}

/** Stores the new executions in one batch and sends their commands; one whose job has changed meanwhile gets no result. */
async function store(
  { stores, commands, clock, config }: RedriveContext,
  candidates: readonly Candidate[],
  reason: string | null,
  results: Map<string, Result>,
): Promise<void> {
  const plannedAt = clock.now()
  const triggers = candidates.map(({ execution, job, params }) => {
    const asked = { executionId: redriveId(execution.id), plannedAt, params, retryOf: execution.id }
    return newTrigger(job, asked, reason, config.jobResendMs)
  })
  const inserted = await orLost(stores.executions.insertTriggers(triggers))
  const ids = triggers.map(({ command }) => command.executionId)
  const present = await stores.executions.readRowIds(ids)
  const retried = ids.flatMap((by, index) => {
    const id = candidates[index]?.execution.id
    return id === undefined || present[index] === undefined ? [] : [{ id, by, index }]
  })
  await stores.executions.markRetried(retried)
  for (const { id, by, index } of retried) {
    // After a lost answer, and what has no room in the queue: what is stored is sent again from the store.
    const isNew = inserted !== 'lost' && inserted[index] === true
    if (isNew && !commands.isFull()) commands.enqueue(triggers[index]?.command as Trigger['command'])
    results.set(id, made(id, isNew || inserted === 'lost' ? 'redriven' : 'already-redriven', by))
  }
}

const keepsChanging = refusal('conflict', 'the job changed again and again meanwhile')

function made(id: string, outcome: Result['outcome'], executionId: string | null): Result {
  return { id, outcome, executionId, code: null, detail: null }
}

function refused(id: string, { code, detail }: Refusal): Result {
  return { id, outcome: 'refused', executionId: null, code, detail }
}
