import type { Bus, OutgoingMessage } from '@belfry/bus'
import { addedSize, type JobExecuteMessage } from '@belfry/contracts'
import { debugEach, type Logger, type Metrics } from '@belfry/service'

export interface SenderOptions {
  readonly bus: Bus
  /** Commands that may wait for the bus before `send` waits too, and bytes of them. */
  readonly backlog: number
  readonly backlogBytes: number
  /** Commands in one publish at most, and bytes of them. */
  readonly batchRows: number
  readonly batchBytes: number
  readonly log: Logger
  readonly metrics: Metrics
}

const idsOf = ({ jobId, executionId }: JobExecuteMessage) => ({ jobId, executionId })

/** The way of commands to `job-execute`. */
export interface Sender {
  /**
   * Takes commands, to be published with all others of this turn and of the publish under way. Resolves when more may
   * come. Never rejects: a command that the bus did not take waits in its record, and is sent again (protocol.md, step 7).
   */
  send(commands: readonly JobExecuteMessage[]): Promise<void>
  /** Waits for what is on its way. */
  drain(): Promise<void>
}

interface Waiting {
  readonly message: OutgoingMessage<'job-execute'>
  /** What it adds to the one before it. */
  readonly bytes: number
}

export function createSender(options: SenderOptions): Sender {
  const { bus, backlog, backlogBytes, batchRows, batchBytes, log, metrics } = options
  const waiting: Waiting[] = []
  let waitingBytes = 0
  let atWork: Promise<void> | null = null
  let isFailing = false

  metrics.gauge('belfry_scheduler_commands_waiting', 'Commands that wait for the bus', [], (gauge) =>
    gauge.set({}, waiting.length),
  )

  /** The next commands within the bounds of a publish; one is taken whatever its size. */
  function takeBatch(): OutgoingMessage<'job-execute'>[] {
    let [rows, size] = [0, 0]
    for (const one of waiting) {
      if (rows >= batchRows || (rows > 0 && size + one.bytes > batchBytes)) break
      size += one.bytes
      rows += 1
    }
    waitingBytes -= size
    return waiting.splice(0, rows).map(({ message }) => message)
  }

  async function publish(commands: readonly OutgoingMessage<'job-execute'>[]): Promise<void> {
    debugEach(log, 'command sent', commands, ({ value }) => idsOf(value))
    try {
      await bus.publish('job-execute', commands)
      if (isFailing) log.info('the bus takes commands again')
      isFailing = false
    } catch (err) {
      if (!isFailing) log.warn({ err, commands: commands.length }, 'the bus did not take commands; they are sent again')
      isFailing = true
    }
  }

  async function publishAll(): Promise<void> {
    // When all callbacks of this turn of the main loop have had their say.
    await new Promise((resolve) => setImmediate(resolve))
    while (waiting.length > 0) await publish(takeBatch())
    atWork = null
  }

  return {
    async send(commands) {
      for (const value of commands) {
        const size = addedSize('job-execute', value, waiting.at(-1)?.message.value)
        waiting.push({ message: { key: value.jobId, value }, bytes: size })
        waitingBytes += size
      }
      atWork ??= publishAll()
      while (waiting.length >= backlog || waitingBytes >= backlogBytes) await atWork
    },
    async drain() {
      await atWork
    },
  }
}
