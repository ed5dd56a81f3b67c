import type { BatchHandler, IncomingMessage } from '@belfry/bus'
import { isRefusal, type JobExecuteMessage } from '@belfry/contracts'
import { type Clock, ConflictError, debugEach, type Logger } from '@belfry/service'
import type { Handler } from '@belfry/worker'
import type { Claimer } from '../dispatch/claimer.ts'
import type { Room } from '../dispatch/room.ts'
import type { ExecutionChanges } from '../executions/changes.ts'
import { compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution } from '../executions/execution.ts'
import { executionFields } from '../executions/execution-log.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { ExecutionStore, Stored } from '../store/ports.ts'
import { admit, type Delivery, newExecution, poolOf } from './command.ts'

export interface IntakeOptions {
  readonly executions: ExecutionStore
  readonly changes: ExecutionChanges
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly claimer: Claimer
  readonly room: Room
  /** The job types by name. */
  readonly handlers: ReadonlyMap<string, Handler>
  /** Commands that were planned earlier are stored as expired, epoch milliseconds. */
  readonly oldestPlannedAt: () => number
  /**
   * How long commands that are due wait for room before they are stored as ready, milliseconds, and how long at most while slots
   * are free.
   */
  readonly roomWaitMs: number
  readonly roomWaitMostMs: number
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
 * Topic job-execute (docs/protocol.md step 8). A batch is stored in one statement list, and then its offset may be committed. What
 * is due while there is room is stored as running at once; no handler is called here. When there is none, the batch waits for a
 * moment: short attempts make room within it, and an execution that is stored as running costs half of one that is stored as
 * ready and claimed later. So a flood of commands is slowed down here, as the bus holds back its senders. Other owners'
 * commands wait behind the batch, so it does not wait for owners whose attempts are long.
 */
export function createIntake(options: IntakeOptions): BatchHandler<'job-execute'> {
  const { executions, changes, clock, log, metrics, claimer, room, handlers, oldestPlannedAt } = options
  const { roomWaitMs, roomWaitMostMs } = options

  type Message = IncomingMessage<'job-execute'>
  function readMessage({ value, envelope, partition, offset }: Message, now: number, oldest: number): Intake {
    const arrival = { sentAt: envelope.time, admittedAt: now, topic: 'job-execute', partition, offset }
    const delivery: Delivery = { arrival, pool: poolOf(handlers, value), oldestPlannedAt: oldest }
    return { command: value, delivery, fresh: newExecution(value, delivery) }
  }

  /** Stores what is not due or finds room, and answers what is due and finds none. */
  async function storeWhatHasRoom(intakes: readonly Intake[]): Promise<Intake[]> {
    const left: Intake[] = []
    const stored: Intake[] = []
    for (const intake of intakes) {
      const claimed = claimer.claimUnstored(intake.fresh)
      if (claimed === 'no-room') left.push(intake)
      else stored.push(claimed ? { ...intake, fresh: claimed } : intake)
    }
    if (stored.length > 0) await store(stored)
    return left
  }

  async function store(intakes: readonly Intake[]): Promise<void> {
    const now = clock.now()
    const known = await insert(intakes, now)
    if (known.length === 0) return
    const { replaced, repeated } = await answerKnown(executions, known, now)
    changes.publish(replaced, 'replace')
    if (repeated > 0) metrics.duplicates(repeated)
  }

  /** Answers those that are there already. What is stored as running is this executor's, even if the rest of the batch fails. */
  async function insert(intakes: readonly Intake[], now: number): Promise<Intake[]> {
    const fresh = intakes.map((one) => one.fresh)
    const inserted = await executions.insertMany(fresh, now).catch((error: unknown) => {
      for (const one of fresh) if (one.state === 'running') claimer.releaseUnstored(one)
      throw error
    })
    const news: Stored[] = []
    const known: Intake[] = []
    for (const [index, intake] of intakes.entries()) {
      const stored = inserted[index]
      if (stored) news.push(stored)
      else {
        known.push(intake)
        if (intake.fresh.state === 'running') claimer.releaseUnstored(intake.fresh)
      }
    }
    debugEach(log, 'execution admitted', news, executionFields)
    // First of all, so that nothing that fails after it leaves their room taken.
    claimer.adopt(news.filter(({ execution }) => execution.state === 'running'))
    const waiting = news.filter(({ execution }) => execution.state !== 'running')
    if (waiting.length > 0) changes.publish(waiting, 'insert')
    return known
  }

  return async (messages) => {
    const now = clock.now()
    const oldest = oldestPlannedAt()
    const until = clock.monotonic() + roomWaitMostMs
    let left = await storeWhatHasRoom(messages.map((message) => readMessage(message, now, oldest)))
    const fresh = () => left.map((one) => one.fresh)
    const waitMs = () => Math.min(roomWaitMs, until - clock.monotonic())
    while (left.length > 0 && (await room.waitForRoom(fresh(), waitMs()))) {
      left = await storeWhatHasRoom(left)
    }
    if (left.length === 0) return
    for (const one of fresh()) room.markSaturated(one)
    await store(left)
  }
}

/**
 * Answers commands whose executions are there already (docs/protocol.md step 8); those that were not, the insert before it has
 * stored. When it resolves all of it is durable, and the offset may be committed.
 */
async function answerKnown(store: ExecutionStore, known: readonly Intake[], at: number): Promise<Answered> {
  const found = await store.find(known.map((one) => one.command.executionId))
  const replaced: Stored[] = []
  const repeated: Stored[] = []
  const pairs = known.flatMap((one, index) => {
    const stored = found[index]
    return stored ? [{ ...one, stored }] : []
  })
  if (pairs.length < known.length)
    throw new ConflictError('a record went while a command for it was taken; it comes again')
  const changes = await compareAndSet(
    store,
    'replace',
    pairs.map((one) => one.stored),
    (execution, index) => {
      const { command, delivery } = pairs[index] as (typeof pairs)[number]
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
