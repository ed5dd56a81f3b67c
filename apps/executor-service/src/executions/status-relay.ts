import {
  type Bus,
  createRelay,
  createSharedSource,
  type OutgoingMessage,
  type PoisonStore,
  type Relay,
  type RelaySource,
  TooLargeError,
  type Unpublished,
} from '@belfry/bus'
import { type JobStatusMessage, outcomeSize } from '@belfry/contracts'
import type { ServiceDeps } from '@belfry/service'
import type { WorkShare } from '@belfry/storage'
import type { ExecutionStore, RowId, Stored } from '../store/ports.ts'
import { type Execution, hasLargeParams, toStatusMessage } from './execution.ts'

/**
 * The message is made when it is sent: most states are overtaken by the next one before that. That of a record with large
 * params is made at once, because the params would wait with it.
 */
export function asUnpublished({ rowId, execution }: Stored): Unpublished<'job-status', RowId> {
  return hasLargeParams(execution) ? whole(rowId, toStatusMessage(execution)) : new UnsentStatus(rowId, execution)
}

/** A class, because an object with a getter of its own costs ten times as much to make. */
class UnsentStatus implements Unpublished<'job-status', RowId> {
  readonly rowId: RowId
  readonly seq: number
  readonly key: string
  readonly size: number
  readonly #execution: Execution
  #message: JobStatusMessage | undefined

  constructor(rowId: RowId, execution: Execution) {
    this.rowId = rowId
    this.seq = execution.seq
    this.key = execution.jobId
    this.size = outcomeSize(execution)
    this.#execution = execution
  }

  get value(): JobStatusMessage {
    this.#message ??= toStatusMessage(this.#execution)
    return this.#message
  }
}

function whole(rowId: RowId, value: JobStatusMessage): Unpublished<'job-status', RowId> {
  return { rowId, seq: value.seq, key: value.jobId, size: outcomeSize(value), value }
}

function asDeadLetter({ key, value }: OutgoingMessage<'job-status'>): OutgoingMessage<'job-dead-letter'> {
  return { key, value: { kind: 'execution', jobId: value.jobId, execution: value } }
}

/**
 * The bus as this relay sees it: an execution that has failed for good goes out on job-dead-letter too, before its status
 * counts as published. So none is lost; one may come twice, like everything on the bus. One that is too large is left out:
 * the stored execution is the dead letter.
 */
function withDeadLetters(bus: Bus): Bus {
  async function report(failed: readonly OutgoingMessage<'job-status'>[]): Promise<void> {
    try {
      await bus.publish('job-dead-letter', failed.map(asDeadLetter))
    } catch (error) {
      if (!(error instanceof TooLargeError)) throw error
    }
  }

  return {
    ...bus,
    async publish(topic, messages) {
      const statuses = topic === 'job-status' ? (messages as readonly OutgoingMessage<'job-status'>[]) : []
      const failed = statuses.filter((one) => one.value.state === 'failed')
      if (failed.length > 0) await report(failed)
      await bus.publish(topic, messages)
    },
  }
}

/** Publishes the states of executions (docs/protocol.md step 4). `share`: which of them a sweep looks for. */
export function createStatusRelay(
  { clock, log, metrics }: Pick<ServiceDeps, 'clock' | 'log' | 'metrics'>,
  bus: Bus,
  executions: ExecutionStore,
  poison: PoisonStore,
  share: () => WorkShare,
): Relay<'job-status', RowId> {
  const source: RelaySource<'job-status', RowId> = {
    async readUnpublished(rows, bytes) {
      const page = await executions.listUnpublished({ rows, bytes }, share())
      return { rows: page.rows.map(asUnpublished), hasMore: page.hasMore }
    },
    markPublished: executions.markPublished,
  }
  return createRelay({
    name: 'executions',
    topic: 'job-status',
    bus: withDeadLetters(bus),
    clock,
    log,
    metrics,
    poison,
    source: createSharedSource(source, () => share().instances === 1),
  })
}
