import { setImmediate } from 'node:timers/promises'
import {
  type BackfillReply,
  isRecurring,
  isRefusal,
  type Refusal,
  refusal,
  scheduledExecutionId,
  toWireTime,
} from '@belfry/contracts'
import { decisionsOf } from '../domain/decided.ts'
import { backfillId, hasRun, statusOf } from '../domain/execution.ts'
import { checkAction } from '../domain/job.ts'
import type { Caller } from '../domain/reach.ts'
import type { StoredJob, Trigger } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { onNewestVersion, orLost } from './retry.ts'
import { backlogFull, newTrigger } from './trigger-job.ts'

type BackfillContext = Pick<
  JobContext,
  'stores' | 'commands' | 'intake' | 'schedules' | 'scheduler' | 'records' | 'clock' | 'log' | 'config'
>
type Result = BackfillReply['results'][number]

export interface BackfillRequest {
  readonly caller: Caller
  readonly ref: string
  /** The UUID that the ids of an `again` are made of; the same in every try of one request. */
  readonly minted: string
  /** Epoch milliseconds, both included. */
  readonly from: number
  readonly to: number
  readonly limit: number
  readonly again: boolean
  readonly dryRun: boolean
  readonly reason: string | null
}

/** Fire times that are computed before other work gets its turn. */
const slice = 100

const noAnswer = refusal(
  'unavailable',
  'the scheduler and the executors do not say which of these fire times they have: send it again',
  { retryAfterS: 1 },
)
const noSchedule = refusal(
  'impossible',
  'the job has no fire times that could be run: it has no schedule, or runs once',
)

/**
 * `POST /jobs/:id/backfill`: an execution for each fire time between two moments, oldest first, as the schedule of the job says now.
 * A fire time that has run already, or that the scheduler may still run, is left out, unless `again`. The id of each execution follows
 * from its fire time, so a repetition finds what the first call has made.
 */
export async function backfill(context: BackfillContext, request: BackfillRequest): Promise<BackfillReply | Refusal> {
  const { caller, ref, dryRun } = request
  const job = await findJob(context, caller, ref, 'change')
  if (isRefusal(job)) return job
  const refused = checkAction(job, 'trigger') ?? checkRange(request, context.clock.now())
  if (refused) return refused
  if (!isRecurring(job.spec.schedule)) return noSchedule
  const { times, next } = await fireTimesOf(context, job, request)
  const rows = await lookUp(context, job, request, times)
  if (isRefusal(rows)) return rows
  const planned = rows.filter(({ outcome }) => outcome === 'planned')
  if (!dryRun && planned.length > 0) {
    if (context.commands.isFull()) return backlogFull
    const asked = { ownerId: caller.userId, items: planned.length, isSoon: false }
    const stored = await context.intake.triggers.run(asked, () => storeAll(context, job, request, planned))
    if (isRefusal(stored)) return stored
  }
  const results = rows.map(({ at, outcome, executionId }): Result => {
    const isOpen = (dryRun && outcome === 'planned') || outcome === 'still-scheduled'
    return { fireAt: toWireTime(at), outcome, executionId: isOpen ? null : executionId }
  })
  const countOf = (outcome: Result['outcome']) => results.filter((one) => one.outcome === outcome).length
  const counts = {
    planned: countOf('planned'),
    alreadyRun: countOf('already-run'),
    alreadyBackfilled: countOf('already-backfilled'),
    stillScheduled: countOf('still-scheduled'),
  }
  return { jobId: job.id, dryRun, counts, results, next: toWireTime(next) }
}

function checkRange({ from, to }: BackfillRequest, now: number): Refusal | null {
  const errors = [
    ...(to > now ? [{ pointer: '/to', code: 'in-the-future', detail: 'must not lie in the future' }] : []),
    ...(from > to ? [{ pointer: '/from', code: 'out-of-range', detail: 'must not lie after to' }] : []),
  ]
  return errors.length > 0 ? refusal('impossible', 'these fire times cannot be run', { errors }) : null
}

/** The fire times of a call, and where the next call begins; null when these are all. */
async function fireTimesOf({ schedules }: BackfillContext, job: StoredJob, { from, to, limit }: BackfillRequest) {
  const times: number[] = []
  let at = schedules.next(job, from - 1)
  for (; at !== null && at <= to && times.length < limit; at = schedules.next(job, at)) {
    times.push(at)
    if (times.length % slice === 0) await setImmediate()
  }
  return { times, next: at !== null && at <= to ? at : null }
}

interface Row {
  readonly at: number
  readonly outcome: Result['outcome']
  readonly executionId: string
}

/** What there is of each fire time: its execution of the schedule, and that of an earlier backfill. */
async function lookUp(
  context: BackfillContext,
  job: StoredJob,
  { again, minted }: BackfillRequest,
  times: readonly number[],
): Promise<readonly Row[] | Refusal> {
  const own = times.map((at) => backfillId(job.id, at, again ? minted : undefined))
  if (again) return times.map((at, index) => ({ at, outcome: 'planned', executionId: own[index] ?? '' }))
  const earlier = await context.stores.executions.readRowIds(own)
  const ofSchedule = await findOfSchedule(context, job, times).catch((err: unknown) => {
    context.log.warn({ err, jobId: job.id }, 'the fire times of a backfill could not be looked up')
    return noAnswer
  })
  if (isRefusal(ofSchedule)) return ofSchedule
  const { ran, decide } = ofSchedule
  return times.map((at, index): Row => {
    const [executionId, scheduledId] = [own[index] ?? '', scheduledExecutionId(job.id, at)]
    if (earlier[index] !== undefined) return { at, outcome: 'already-backfilled', executionId }
    const decision = decide(at)
    if (ran.has(scheduledId) || decision === 'pending') return { at, outcome: 'already-run', executionId: scheduledId }
    return { at, outcome: decision === 'undecided' ? 'still-scheduled' : 'planned', executionId }
  })
}

/**
 * What the scheduler has decided, and which executions of the schedule have run, run, or are going to. The copies here may be behind, so the
 * executors are asked about all others; after the scheduler, since what is not pending there any more is known to them.
 */
async function findOfSchedule(
  { stores, scheduler, records }: BackfillContext,
  job: StoredJob,
  times: readonly number[],
) {
  const decide = decisionsOf(job, (await scheduler.runsOf([job.id]))[0])
  const ids = times.map((at) => scheduledExecutionId(job.id, at))
  const rowIds = await stores.executions.readRowIds(ids)
  const copies = await stores.executions.readMany(
    rowIds.filter((rowId) => rowId !== undefined),
    [],
  )
  const ran = new Set(copies.flatMap((one) => (one && hasRun(one) ? [one.id] : [])))
  const open = ids.filter((id) => !ran.has(id))
  if (open.length === 0) return { ran, decide }
  for await (const { records: found, failed } of records.fetch(open)) {
    for (const one of found) if (hasRun({ status: statusOf(one), detail: one })) ran.add(one.executionId)
    for (const { id } of failed) ran.add(id)
  }
  return { ran, decide }
}

/** Stores the executions in batches, each at the newest version of the job, and sends their commands. */
async function storeAll(
  context: BackfillContext,
  job: StoredJob,
  { caller, reason }: BackfillRequest,
  rows: readonly Row[],
): Promise<Refusal | 'done'> {
  const { stores, commands, clock, config } = context
  let left = rows
  return onNewestVersion<'done' | Refusal>(async (isLastTry) => {
    const newest = await findJob(context, caller, job.id, 'change')
    const refused = isRefusal(newest) ? newest : checkAction(newest, 'trigger')
    if (refused || isRefusal(newest)) return refused ?? undefined
    while (left.length > 0) {
      const part = left.slice(0, config.jobRedriveRows)
      const triggers = part.map(({ at, executionId }): Trigger => {
        const asked = { executionId, plannedAt: clock.now(), backfillOf: at }
        return newTrigger(newest, asked, reason, config.jobResendMs)
      })
      const inserted = await orLost(stores.executions.insertTriggers(triggers), isLastTry)
      const present = await stores.executions.readRowIds(part.map(({ executionId }) => executionId))
      for (const [index, { command }] of triggers.entries()) {
        // What has no room in the queue, or whose answer was lost, is sent again from the store.
        if (inserted !== 'lost' && inserted[index] && !commands.isFull()) commands.enqueue(command)
      }
      // What was not stored was made of an older version of the job.
      if (present.some((rowId) => rowId === undefined)) return undefined
      left = left.slice(part.length)
    }
    return 'done'
  })
}
