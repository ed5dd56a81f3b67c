import type { Bus } from '@belfry/bus'
import type { JobExecuteMessage } from '@belfry/contracts'
import { debugEach, type Logger, type Metrics } from '@belfry/service'

export interface SenderOptions {
  readonly bus: Bus
  /** Commands that may wait for the bus before whoever brings more has to wait. */
  readonly backlog: number
  /** Commands in one publish at most. */
  readonly batchRows: number
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

export function createSender({ bus, backlog, batchRows, log, metrics }: SenderOptions): Sender {
  const waiting: JobExecuteMessage[] = []
  let atWork: Promise<void> | null = null
  let isFailing = false

  metrics.gauge('belfry_scheduler_commands_waiting', 'Commands that wait for the bus', [], (gauge) =>
    gauge.set({}, waiting.length),
  )

  async function publish(commands: readonly JobExecuteMessage[]): Promise<void> {
    debugEach(log, 'command sent', commands, idsOf)
    try {
      await bus.publish(
        'job-execute',
        commands.map((value) => ({ key: value.jobId, value })),
      )
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
    while (waiting.length > 0) await publish(waiting.splice(0, batchRows))
    atWork = null
  }

  return {
    async send(commands) {
      for (const command of commands) waiting.push(command)
      atWork ??= publishAll()
      while (waiting.length >= backlog) await atWork
    },
    async drain() {
      await atWork
    },
  }
}
