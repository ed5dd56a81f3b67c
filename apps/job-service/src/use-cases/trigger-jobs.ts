import { isRefusal, type Refusal, type TriggerItem } from '@belfry/contracts'
import { debugEach } from '@belfry/service'
import { itemUuid } from '../domain/batch.ts'
import { triggeredExecution, triggerId, type WholeExecution } from '../domain/execution.ts'
import { checkAction } from '../domain/job.ts'
import type { Caller } from '../domain/reach.ts'
import type { StoredJob, Trigger } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { keepsChanging, orLost } from './retry.ts'
import { backlogFull, checkParams, newTrigger, type TriggerContext } from './trigger-job.ts'

type Context = TriggerContext & Pick<JobContext, 'slices'>

export interface TriggerJobsRequest {
  readonly caller: Caller
  /** The UUID that the ids of the executions are made of; the same in every try of one request. */
  readonly minted: string
  readonly items: readonly unknown[]
  /** The trigger that an item is, or the refusal of one that does not fit. */
  readonly check: (item: unknown) => TriggerItem | Refusal
}

/** How often an item is tried on the newest version of its job when the job changes meanwhile. */
const tries = 5

/** An item that has no result yet. */
interface Asked {
  readonly index: number
  readonly item: TriggerItem
  readonly executionId: string
}

interface Candidate extends Asked {
  readonly job: StoredJob
  readonly trigger: Trigger
}

/**
 * `POST /triggers/batch`: each item as `POST /jobs/:id/trigger` answers it, in their order. The triggers are stored in one call, and
 * their commands are under way when the answer comes. The same request again finds the executions that it has made.
 */
export async function triggerJobs(
  context: Context,
  request: TriggerJobsRequest,
): Promise<readonly (WholeExecution | Refusal)[] | Refusal> {
  if (context.commands.isFull()) return backlogFull
  const asked = { ownerId: request.caller.userId, items: request.items.length, isSoon: false }
  return context.intake.triggers.run(asked, () => storeTriggers(context, request))
}

async function storeTriggers(
  context: Context,
  { caller, minted, items, check }: TriggerJobsRequest,
): Promise<readonly (WholeExecution | Refusal)[]> {
  const results = new Array<WholeExecution | Refusal | undefined>(items.length)
  const checked = await context.slices.each(items, (slice, from) =>
    slice.flatMap((one, offset): Asked[] => {
      const index = from + offset
      const item = check(one)
      if (!isRefusal(item)) return [{ index, item, executionId: triggerId(itemUuid(minted, index)) }]
      results[index] = item
      return []
    }),
  )
  let left: readonly Asked[] = checked.flat()
  for (let round = 0; round < tries && left.length > 0; round++) {
    const candidates = await readCandidates(context, caller, left, results)
    await store(context, caller.userId, candidates, results, round === tries - 1)
    left = left.filter(({ index }) => results[index] === undefined)
  }
  return Array.from(results, (one) => one ?? keepsChanging)
}

const refOf = ({ jobId, key }: TriggerItem) => jobId ?? (key as string)
const nameOf = (ownerId: string, item: TriggerItem) => `${ownerId} ${refOf(item)}`

/** Those that may be stored; the results of the others are set. Items of one job read it once. */
async function readCandidates(
  context: Context,
  caller: Caller,
  asked: readonly Asked[],
  results: (WholeExecution | Refusal | undefined)[],
): Promise<Candidate[]> {
  const { stores, triggered, slices, clock, config } = context
  const { userId: ownerId } = caller
  const jobs = new Map<string, Promise<StoredJob | Refusal>>()
  const jobOf = (item: TriggerItem): StoredJob | Promise<StoredJob | Refusal> => {
    const known = triggered.get(nameOf(ownerId, item))
    if (known) return known
    const reading = jobs.get(refOf(item)) ?? findJob(context, caller, refOf(item), 'change')
    jobs.set(refOf(item), reading)
    return reading
  }
  const readOne = async (one: Asked): Promise<Candidate | null> => {
    const { index, item, executionId } = one
    const { params, reason = null } = item
    const job = await jobOf(item)
    const refused = isRefusal(job)
      ? job
      : (checkAction(job, 'trigger') ?? (params && (await checkParams(context, job, params))))
    if (refused || isRefusal(job)) {
      results[index] = (await stores.executions.find(ownerId, executionId)) ?? refused
      return null
    }
    const trigger = newTrigger(job, { executionId, plannedAt: clock.now(), params }, reason, config.jobResendMs)
    return { ...one, job, trigger }
  }
  /** Of a job that was triggered lately, without params to check: the hot path, which waits for nothing. */
  const makeNow = (one: Asked): Candidate | undefined => {
    const { item, executionId } = one
    const job = item.params === undefined ? triggered.get(nameOf(ownerId, item)) : undefined
    if (job === undefined || checkAction(job, 'trigger')) return undefined
    const asked = { executionId, plannedAt: clock.now(), params: undefined }
    return { ...one, job, trigger: newTrigger(job, asked, item.reason ?? null, config.jobResendMs) }
  }
  const read = await slices.each(asked, (slice) => {
    const made = slice.map((one) => makeNow(one) ?? readOne(one))
    return made.some((one) => one instanceof Promise) ? Promise.all(made) : (made as Candidate[])
  })
  return read.flat().filter((one) => one !== null)
}

/** Stores the executions in one call and sends their commands; one whose job has changed meanwhile gets no result. */
async function store(
  { stores, commands, triggered, slices, log }: Context,
  ownerId: string,
  candidates: readonly Candidate[],
  results: (WholeExecution | Refusal | undefined)[],
  isLastTry: boolean,
): Promise<void> {
  if (candidates.length === 0) return
  const inserted = await orLost(stores.executions.insertTriggers(candidates.map(({ trigger }) => trigger)), isLastTry)
  const find = async ({ index, item, executionId }: Candidate): Promise<void> => {
    triggered.delete(nameOf(ownerId, item))
    // Of an earlier try of this request, or of a write whose answer was lost: its command is sent again from the store.
    results[index] = await stores.executions.find(ownerId, executionId)
  }
  const answerNew = ({ index, item, job, trigger }: Candidate): void => {
    triggered.set(nameOf(ownerId, item), job)
    // What has no room in the queue is sent again from the store.
    if (!commands.isFull()) commands.enqueue(trigger.command)
    results[index] = triggeredExecution(job, trigger.command, trigger)
  }
  const isNew = (index: number) => inserted !== 'lost' && inserted[index] === true
  await slices.each(candidates, async (slice, from) => {
    const others: Candidate[] = []
    for (const [offset, one] of slice.entries()) {
      if (isNew(from + offset)) answerNew(one)
      else others.push(one)
    }
    if (others.length > 0) await Promise.all(others.map(find))
  })
  debugEach(log, 'execution created', candidates, ({ executionId, job }) => ({ jobId: job.id, executionId }))
}
