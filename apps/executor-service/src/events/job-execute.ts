import type { BatchHandler, IncomingMessage } from '@belfry/bus'
import type { Clock } from '@belfry/service'
import { newExecution } from '../domain/command.ts'
import { executionSize, type Pool } from '../domain/execution.ts'
import { answerKnown, type Intake } from '../domain/intake.ts'
import type { ExecutionStore, Stored } from '../domain/ports.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { Runs } from '../runs/runs.ts'

export interface IntakeOptions {
  readonly executions: ExecutionStore
  readonly clock: Clock
  readonly metrics: ExecutorMetrics
  readonly runs: Runs
  readonly poolOf: (jobType: string) => Pool
  /** How long executions are kept, milliseconds. */
  readonly retentionMs: number
  /** How long commands that are due wait for room before they are stored as ready, milliseconds. */
  readonly roomWaitMs: number
  readonly onChanged: (stored: readonly Stored[]) => void
}

const dayMs = 86_400_000

/**
 * Topic job-execute (protocol.md step 8). A batch is stored in one statement list, and then its offset may be committed. What
 * is due while there is room is stored as running at once; nothing runs in here. When there is none, the batch waits for a
 * moment: short runs make room within it, and an execution that is stored as running costs half of one that is stored as
 * ready and claimed later. So a flood of commands is slowed down here, as the bus holds back whoever sends it.
 */
export function createIntake(options: IntakeOptions): BatchHandler<'job-execute'> {
  const { executions, clock, metrics, runs, poolOf, retentionMs, roomWaitMs, onChanged } = options
  const { claims, slots } = runs

  function readMessage({ value, envelope, partition, offset }: IncomingMessage<'job-execute'>, now: number): Intake {
    const arrival = { sentAt: envelope.time, admittedAt: now, topic: 'job-execute', partition, offset }
    const delivery = { arrival, pool: poolOf(value.jobType), oldestPlannedAt: now - retentionMs + dayMs }
    return { command: value, delivery, fresh: newExecution(value, delivery) }
  }

  /** What is stored as running is this executor's from that moment on, whatever becomes of the rest of the batch. */
  async function insert(intakes: readonly Intake[], now: number): Promise<Intake[]> {
    const reserved = intakes.filter((one) => one.fresh.state === 'running')
    const unreserve = () => {
      for (const { fresh } of reserved) slots.reserve(fresh.pool, -1, -executionSize(fresh))
    }
    const fresh = intakes.map((one) => one.fresh)
    const inserted = await executions.insert(fresh, now).finally(unreserve)
    const news = inserted.filter((one) => one !== undefined)
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
        if (claimed) slots.reserve(claimed.pool, 1, executionSize(claimed))
        stored.push(claimed ? { ...intake, fresh: claimed } : intake)
      }
    }
    if (stored.length > 0) await store(stored)
    return left
  }

  return async (messages) => {
    const now = clock.now()
    const until = clock.monotonic() + roomWaitMs
    let left = await storeWhatHasRoom(messages.map((message) => readMessage(message, now)))
    while (left[0] && (await slots.hasRoomAgain(left[0].fresh.pool, until - clock.monotonic()))) {
      left = await storeWhatHasRoom(left)
    }
    if (left.length === 0) return
    for (const { fresh } of left) slots.turnAway(fresh.pool)
    await store(left)
  }
}
