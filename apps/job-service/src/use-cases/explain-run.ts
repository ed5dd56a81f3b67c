import { isRefusal, type Refusal, refusal, scheduledExecutionId } from '@belfry/contracts'
import { compileSchedule } from '@belfry/time'
import type { AuditSource } from '../clients/audit.ts'
import { type Execution, waitsForPlace, waitsForSlot } from '../domain/execution.ts'
import type { Caller } from '../domain/reach.ts'
import { changeAt } from '../domain/why/evidence.ts'
import { explain } from '../domain/why/explain.ts'
import type { RecordedRequest, WhyAnswer, WhyFacts } from '../domain/why/facts.ts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJobOrTombstone } from './find-job.ts'

export type ExplainContext = Pick<JobContext, 'stores' | 'scheduler' | 'types' | 'clock' | 'config'> & {
  /** The audit log of this service. */
  readonly audit: Pick<AuditSource, 'list'>
  /** Executions that ended before this moment may have been removed, epoch milliseconds. */
  readonly keptSince: () => number
}

/** A time, epoch milliseconds, or an execution of the job. */
export type Asked = { readonly at: number } | { readonly executionId: string }

export interface Explained {
  readonly job: StoredJob
  readonly at: number
  readonly execution: Execution | null
  readonly answers: readonly WhyAnswer[]
}

/** A run within this after the time that was asked about is the one that is meant, milliseconds. */
const nearMs = 60_000
/** Recorded requests about the job that are read: the newest ones. */
const requestsRead = 200
/** How far back the fire time before a time is looked for, milliseconds: four years, for a cron on the 29th of February. */
const lookBackMs = 4 * 366 * 86_400_000

const noSuchRun = refusal('not-found', 'the job has no such execution')

/** The execution of a fire time; else the first one within the minute, which a trigger or a jitter may have put there. */
async function findAt({ stores }: ExplainContext, job: StoredJob, at: number): Promise<Execution | null> {
  const { executions } = stores
  const exact = await executions.findById(scheduledExecutionId(job.id, at))
  if (exact) return exact
  const query = { after: null, limit: requestsRead, fields: [], from: at, to: at + nearMs - 1 }
  const near = (await executions.listSummaries({ jobRowId: job.rowId }, query)).at(-1)
  const [found] = near ? await executions.readMany([near.rowId], []) : []
  return found ?? null
}

function scheduleFacts(job: StoredJob, at: number): WhyFacts['schedule'] {
  const { schedule } = changeAt(job, at) ?? job.changes[0] ?? job.spec
  const times = compileSchedule(schedule, job.id)
  if ('issue' in times) return { hasTime: false, before: null, after: null }
  const from = Math.max(0, at - lookBackMs)
  return { hasTime: times.count(at, at) > 0, before: times.last(from, at - 1), after: times.next(at) }
}

async function requestsOf({ audit }: ExplainContext, jobId: string): Promise<RecordedRequest[]> {
  const { data } = await audit.list({ target: jobId, before: null, limit: requestsRead })
  return data.map(({ at, actorName, action, version }) => ({ at, actorName, action, version }))
}

async function blockerOf({ stores }: ExplainContext, execution: Execution | null): Promise<WhyFacts['blocker']> {
  const id = execution?.detail.blockedBy
  const found = id ? await stores.executions.findById(id) : undefined
  return found ? { id: found.id, status: found.status, startedAt: found.detail.timeline.startedAt } : null
}

function waitingFor({ types, clock, config }: ExplainContext, execution: Execution | null): WhyFacts['waitingFor'] {
  if (!execution) return null
  if (waitsForPlace(execution)) return 'place'
  if (!waitsForSlot(execution, clock.now(), config.jobSlotWaitMs)) return null
  return types.lacks(execution.jobType) ? 'job-type' : 'slot'
}

/** `GET /jobs/:id/why`, also of a deleted job: joins the executions, the fire log of the scheduler, and the audit log. */
export async function explainRun(
  context: ExplainContext,
  { caller, ref }: { readonly caller: Caller; readonly ref: string },
  asked: Asked,
): Promise<Explained | Refusal> {
  const job = await findJobOrTombstone(context, caller, ref)
  if (isRefusal(job)) return job
  const found =
    'at' in asked ? await findAt(context, job, asked.at) : await context.stores.executions.findById(asked.executionId)
  if ('executionId' in asked && found?.jobId !== job.id) return noSuchRun
  const execution = found ?? null
  const at = 'at' in asked ? asked.at : (execution?.fireAt ?? 0)
  const [ranges, requests, blocker] = await Promise.all([
    execution ? [] : context.scheduler.fireLogAt(job.id, at),
    requestsOf(context, job.id),
    blockerOf(context, execution),
  ])
  const facts: WhyFacts = {
    ...{ now: context.clock.now(), at, job, execution, range: ranges[0] ?? null, schedule: scheduleFacts(job, at) },
    ...{ requests, blocker, waitingFor: waitingFor(context, execution), keptSince: context.keptSince() },
  }
  return { job, at, execution, answers: explain(facts) }
}
