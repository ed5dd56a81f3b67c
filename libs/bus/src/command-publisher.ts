import { addedSize, type JobExecuteMessage } from '@belfry/contracts'
import { type Clock, debugEach, type Logger, type Metrics } from '@belfry/service'
import type { PoisonStore } from './consumer.ts'
import { type Bus, TooLargeError } from './port.ts'
import { createRecent } from './recent.ts'
import { keepTooLarge } from './too-large.ts'

export interface CommandPublisherOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Keeps a command that is too large for the bus; it holds up no other. */
  readonly poison: PoisonStore
  /** The gauge of the commands that wait for the bus. */
  readonly gauge: { readonly name: string; readonly help: string }
  /** Commands that may wait for the bus, and bytes of them; those of the publishes under way count too. */
  readonly backlogRows: number
  readonly backlogBytes: number
  /** Commands in one publish of the queue at most, and bytes of them; one command is taken whatever its size. Default: no bound. */
  readonly batchRows?: number
  readonly batchBytes?: number
  /** Publishes of the queue that may be under way at a time. Default: no bound, each iteration of the event loop publishes. */
  readonly maxInFlight?: number
  /**
   * How long after a refusal by the bus the refused commands count as waiting, milliseconds. After that the next command
   * tries the bus again: the refused ones may have been answered since, so that none is left to be repeated. Default 0:
   * they do not count.
   */
  readonly refusedForMs?: number
}

/**
 * Publishes commands to `job-execute`. Nothing rejects: a command that the bus refuses waits in its record and is
 * published again from there (docs/protocol.md step 7).
 */
export interface CommandPublisher {
  /** Queues a command, to be published with all others of this iteration of the event loop. Never blocks. */
  enqueue(command: JobExecuteMessage): void
  /** Publishes a batch at once, past the queue; answers whether the bus took it. */
  publish(commands: readonly JobExecuteMessage[]): Promise<boolean>
  /** Whether a caller that can refuse should refuse: the backlog is full, or the bus refused that many just now. */
  isFull(): boolean
  /** Commands that wait for the bus or are on their way to it. */
  waiting(): number
  /** Calls back whenever fewer wait. */
  onRoom(listener: () => void): void
  /** For a caller that can wait: resolves when the queue is within its bounds. */
  room(): Promise<void>
  /** Publishes the queue and waits for all publishes under way. */
  drain(): Promise<void>
}

interface Queued {
  readonly command: JobExecuteMessage
  /** What it adds to the one before it. */
  readonly bytes: number
}

/** Commands that are too large and remembered: each is kept once, although it is sent again and again. */
const rememberedTooLarge = 1000

/** The ids of a command for the log. */
export const commandIds = ({ jobId, executionId }: JobExecuteMessage) => ({ jobId, executionId })

export function createCommandPublisher(options: CommandPublisherOptions): CommandPublisher {
  const { bus, clock, log, metrics, gauge, backlogRows, backlogBytes } = options
  const { batchRows = Number.POSITIVE_INFINITY, batchBytes = Number.POSITIVE_INFINITY } = options
  const { maxInFlight = Number.POSITIVE_INFINITY, refusedForMs = 0 } = options
  let queue: Queued[] = []
  /** The queue and the publishes of it that are under way. */
  let rows = 0
  let bytes = 0
  let inFlight = 0
  let isScheduled = false
  let isFailing = false
  let refused = 0
  let refusedAt = 0
  const underWay = new Set<Promise<unknown>>()
  const tooLarge = createRecent(rememberedTooLarge)
  let waiters: (() => void)[] = []
  const onRoom: (() => void)[] = []

  metrics.gauge(gauge.name, gauge.help, [], (one) => one.set({}, rows + refused))

  function onRefused(err: unknown, count: number): void {
    if (!isFailing) log.warn({ err, commands: count }, 'the bus did not take commands; they are sent again')
    isFailing = true
    if (refusedForMs <= 0) return
    refused += count
    refusedAt = clock.monotonic()
  }

  const nameOf = ({ executionId, version }: JobExecuteMessage) => `${executionId} ${version}`

  /** Commands without an answer come again, so one that cannot be kept now is kept later. */
  async function keep(commands: readonly JobExecuteMessage[], error: TooLargeError): Promise<void> {
    const news = error.messages.filter(({ index }) => !tooLarge.has(nameOf(commands[index] as JobExecuteMessage)))
    if (news.length === 0) return
    const keeper = { topic: 'job-execute', sender: 'command publisher', poison: options.poison, log } as const
    try {
      await keepTooLarge(keeper, messagesOf(commands), new TooLargeError(news))
      for (const { index } of news) tooLarge.add(nameOf(commands[index] as JobExecuteMessage))
    } catch (err) {
      log.warn({ err }, 'a command that is too large could not be kept')
    }
  }

  const messagesOf = (commands: readonly JobExecuteMessage[]) => commands.map((value) => ({ key: value.jobId, value }))

  async function handOver(commands: readonly JobExecuteMessage[]): Promise<boolean> {
    debugEach(log, 'command sent', commands, commandIds)
    try {
      await bus.publish('job-execute', messagesOf(commands))
    } catch (err) {
      if (!(err instanceof TooLargeError)) {
        onRefused(err, commands.length)
        return false
      }
      await keep(commands, err)
    }
    if (isFailing) log.info('the bus takes commands again')
    isFailing = false
    refused = 0
    return true
  }

  function publish(commands: readonly JobExecuteMessage[]): Promise<boolean> {
    const publishing = handOver(commands).finally(() => underWay.delete(publishing))
    underWay.add(publishing)
    return publishing
  }

  function takeBatch(): Queued[] {
    let [count, size] = [0, 0]
    for (const one of queue) {
      if (count >= batchRows || (count > 0 && size + one.bytes > batchBytes)) break
      size += one.bytes
      count += 1
    }
    const batch = queue.slice(0, count)
    queue = queue.slice(count)
    return batch
  }

  async function publishBatch(batch: readonly Queued[]): Promise<void> {
    inFlight += 1
    await publish(batch.map(({ command }) => command))
    inFlight -= 1
    rows -= batch.length
    for (const one of batch) bytes -= one.bytes
    const woken = waiters
    waiters = []
    for (const wake of woken) wake()
    for (const listener of onRoom) listener()
    flush()
  }

  function flush(): void {
    while (queue.length > 0 && inFlight < maxInFlight) void publishBatch(takeBatch())
  }

  /** After all callbacks of this iteration of the event loop, so that many callers cost one publish. */
  function schedule(): void {
    if (isScheduled || inFlight >= maxInFlight) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      flush()
    })
  }

  const isBeyond = (count: number) => count >= backlogRows || bytes >= backlogBytes

  return {
    publish,
    enqueue(command) {
      const size = addedSize('job-execute', command, queue.at(-1)?.command)
      queue.push({ command, bytes: size })
      rows += 1
      bytes += size
      schedule()
    },
    isFull() {
      const isRefusing = refused > 0 && clock.monotonic() - refusedAt < refusedForMs
      return isBeyond(rows + (isRefusing ? refused : 0))
    },
    waiting: () => rows,
    onRoom: (listener) => void onRoom.push(listener),
    async room() {
      while (isBeyond(rows)) await new Promise<void>((resolve) => waiters.push(resolve))
    },
    async drain() {
      flush()
      while (underWay.size > 0) {
        await Promise.all(underWay)
        flush()
      }
    },
  }
}
