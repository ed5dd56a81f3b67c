import type { BatchHandler, IncomingMessage } from '@belfry/bus'
import { isRefusal, type JobExecuteMessage } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { Engine } from '../attempts/engine.ts'
import { compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution, Pool } from '../executions/execution.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { ExecutionStore, Stored } from '../store/ports.ts'
import { admit, type Delivery, newExecution } from './command.ts'

export interface IntakeOptions {
  readonly executions: ExecutionStore
  readonly clock: Clock
  readonly metrics: ExecutorMetrics
  readonly runs: Engine
  readonly poolOf: (jobType: string) => Pool
  /** Commands that were planned earlier are stored as expired, epoch milliseconds. */
  readonly oldestPlannedAt: () => number
  /** How long commands that are due wait for room before they are stored as ready, milliseconds. */
  readonly roomWaitMs: number
  readonly onChanged: (stored: readonly Stored[]) => void
}

/** A command, and the record as it is stored if there is none yet: ready, or running when it is claimed at once. */
interface Intake {
  readonly command: JobExecuteMessage
  readonly delivery: Delivery
  readonly fresh: Execution
}

/** What became of commands whose executions were there before. */
interface Answered {
  /** Records that a newer version replaced. */
  readonly replaced: readonly Stored[]
  /** How many commands said nothing new; their records are marked to be published again. */
  readonly repeated: number
}

/**
 * Topic job-execute (protocol.md step 8). A batch is stored in one statement list, and then its offset may be committed. What
 * is due while there is room is stored as running at once; nothing runs in here. When there is none, the batch waits for a
 * moment: short runs make room within it, and an execution that is stored as running costs half of one that is stored as
 * ready and claimed later. So a flood of commands is slowed down here, as the bus holds back its senders. Other owners'
 * commands wait behind the batch, so it does not wait for owners whose runs are long.
 */
export function createIntake(options: IntakeOptions): BatchHandler<'job-execute'> {
  const { executions, clock, metrics, runs, poolOf, oldestPlannedAt, roomWaitMs, onChanged } = options
  const { claims, slots } = runs

  type Message = IncomingMessage<'job-execute'>
  function readMessage({ value, envelope, partition, offset }: Message, now: number, oldest: number): Intake {
    const arrival = { sentAt: envelope.time, admittedAt: now, topic: 'job-execute', partition, offset }
    const delivery = { arrival, pool: poolOf(value.jobType), oldestPlannedAt: oldest }
    return { command: value, delivery, fresh: newExecution(value, delivery) }
  }

  /** What is stored as running is this executor's from that moment on, whatever becomes of the rest of the batch. */
  async function insert(intakes: readonly Intake[], now: number): Promise<Intake[]> {
    const reserved = intakes.filter((one) => one.fresh.state === 'running')
    const unreserve = () => {
      for (const { fresh } of reserved) slots.reserve(fresh, -1)
    }
    const fresh = intakes.map((one) => one.fresh)
    const inserted = await executions.insertMany(fresh, now).finally(unreserve)
    const news = inserted.filter((one) => one !== undefined)
    metrics.admitted(news)
    claims.adopt(news.filter((one) => one.execution.state === 'running'))
    const waiting = news.filter((one) => one.execution.state !== 'running')
    if (waiting.length > 0) onChanged(waiting)
    return intakes.filter((_, place) => inserted[place] === undefined)
  }

  async function store(intakes: readonly Intake[]): Promise<void> {
    const now = clock.now()
    const known = await insert(intakes, now)
    const { replaced, repeated } = await answerKnown(executions, known, now)
    if (replaced.length > 0) onChanged(replaced)
    if (repeated > 0) metrics.duplicates(repeated)
  }

  /** Stores what is not due or finds room, and answers what is due and finds none. */
  async function storeWhatHasRoom(intakes: readonly Intake[]): Promise<Intake[]> {
    const left: Intake[] = []
    const stored: Intake[] = []
    for (const intake of intakes) {
      const claimed = claims.claimAtOnce(intake.fresh)
      if (claimed === 'no-room') left.push(intake)
      else {
        if (claimed) slots.reserve(claimed, 1)
        stored.push(claimed ? { ...intake, fresh: claimed } : intake)
      }
    }
    if (stored.length > 0) await store(stored)
    return left
  }

  return async (messages) => {
    const now = clock.now()
    const oldest = oldestPlannedAt()
    const until = clock.monotonic() + roomWaitMs
    let left = await storeWhatHasRoom(messages.map((message) => readMessage(message, now, oldest)))
    const fresh = () => left.map((one) => one.fresh)
    while (left.length > 0 && (await slots.hasRoomAgain(fresh(), until - clock.monotonic()))) {
      left = await storeWhatHasRoom(left)
    }
    if (left.length === 0) return
    for (const one of fresh()) slots.markSaturated(one)
    await store(left)
  }
}

/**
 * Answers commands whose executions are there already (protocol.md step 8); those that were not, the insert before it has
 * stored. When it resolves all of it is durable, and the offset may be committed.
 */
async function answerKnown(store: ExecutionStore, known: readonly Intake[], at: number): Promise<Answered> {
  if (known.length === 0) return { replaced: [], repeated: 0 }
  const found = await store.find(known.map((one) => one.command.executionId))
  const replaced: Stored[] = []
  const repeated: Stored[] = []
  const pairs = known.flatMap((one, index) => {
    const stored = found[index]
    return stored ? [{ ...one, stored }] : []
  })
  if (pairs.length < known.length) throw new Error('a record went while a command for it was taken; it comes again')
  const changes = await compareAndSet(
    store,
    'replace',
    pairs.map((one) => one.stored),
    (execution, place) => {
      const { command, delivery } = pairs[place] as (typeof pairs)[number]
      return admit(execution, command, delivery)
    },
    at,
  )
  for (const one of changes) {
    if (isRefusal(one)) continue
    if (one.isChanged) replaced.push(one.stored)
    else repeated.push(one.stored)
  }
  if (repeated.length > 0) await store.markUnpublished(repeated)
  return { replaced, repeated: repeated.length }
}
