import type { Bus } from '@belfry/bus'
import { addedSize, type JobExecuteMessage } from '@belfry/contracts'
import { type Clock, debugEach, type Logger, type Metrics } from '@belfry/service'
import type { CommandSender } from '../domain/ports.ts'

export interface SenderOptions {
  readonly bus: Bus
  /** Commands that may wait for the bus, and bytes of them. */
  readonly backlog: number
  readonly backlogBytes: number
  /** How long after a refusal the bus is trusted with new commands again, milliseconds. */
  readonly againMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** What the log says of a command. */
export const idsOf = ({ jobId, executionId }: JobExecuteMessage) => ({ jobId, executionId })

/** The way of commands to `job-execute`. */
export interface Sender extends CommandSender {
  /** Sends a batch now; says whether the bus has it. Never rejects: the store's rows are sent again. */
  publish(commands: readonly JobExecuteMessage[]): Promise<boolean>
  /** Waits for what is on its way. */
  drain(): Promise<void>
}

/**
 * Gathers the commands of a turn into one publish, so that many callers cost one message batch. Bounded: what waits, and
 * what the bus refused since it last took something, counts against `backlog`. Once the last refusal is `againMs` old the
 * next command shows how the bus is: what it refused may have been answered since, so that nothing is left to be repeated.
 */
export function createSender(options: SenderOptions): Sender {
  const { bus, backlog, backlogBytes, againMs, clock, log, metrics } = options
  let gathered: JobExecuteMessage[] = []
  let gatheredBytes = 0
  let waiting = 0
  let waitingBytes = 0
  let refused = 0
  let refusedAt = 0
  const underWay = new Set<Promise<unknown>>()

  metrics.gauge('belfry_commands_waiting', 'Commands of triggers that wait for the bus', [], (gauge) =>
    gauge.set({}, waiting + refused),
  )

  const handOver = async (commands: readonly JobExecuteMessage[]): Promise<boolean> => {
    debugEach(log, 'command sent', commands, idsOf)
    try {
      await bus.publish(
        'job-execute',
        commands.map((value) => ({ key: value.jobId, value })),
      )
      if (refused > 0) log.info('the bus takes commands again')
      refused = 0
      return true
    } catch (err) {
      if (refused === 0) log.warn({ err }, 'the bus did not take commands; they are sent again')
      refused += commands.length
      refusedAt = clock.monotonic()
      return false
    }
  }

  const publish = (commands: readonly JobExecuteMessage[]): Promise<boolean> => {
    const sending = handOver(commands).finally(() => underWay.delete(sending))
    underWay.add(sending)
    return sending
  }

  const flush = () => {
    const commands = gathered
    const bytes = gatheredBytes
    gathered = []
    gatheredBytes = 0
    void publish(commands).finally(() => {
      waiting -= commands.length
      waitingBytes -= bytes
    })
  }

  return {
    publish,
    isFull() {
      const isRefusing = refused > 0 && clock.monotonic() - refusedAt < againMs
      return waiting + (isRefusing ? refused : 0) >= backlog || waitingBytes >= backlogBytes
    },
    send(command) {
      const bytes = addedSize('job-execute', command, gathered.at(-1))
      // Sent after all callbacks of this turn of the loop.
      if (gathered.push(command) === 1) setImmediate(flush)
      gatheredBytes += bytes
      waiting += 1
      waitingBytes += bytes
    },
    async drain() {
      if (gathered.length > 0) flush()
      await Promise.all(underWay)
    },
  }
}
