import { createHash } from 'node:crypto'
import type { Topic } from '@belfry/contracts'
import type { Logger, Metrics } from '@belfry/service'
import type { BatchHandler, Bus, IncomingMessage, OutgoingMessage, PoisonMessage } from './port.ts'
import { isTransient, reasonOf } from './reason.ts'
import { createRecent } from './recent.ts'

/** Where a service stores poison for operators to look at. */
export interface PoisonStore {
  /**
   * Stores the messages; resolves when they are durable. Idempotent by (topic, partition, offset): a batch that comes
   * again adds no second row. Messages without partition and offset are stored each time.
   */
  keep(messages: readonly PoisonMessage[]): Promise<void>
}

export interface ConsumerOptions<T extends Topic> {
  readonly bus: Bus
  readonly topic: T
  readonly group: string
  /** Stores what the batch says; see `BatchHandler`. */
  readonly handle: BatchHandler<T>
  readonly poison: PoisonStore
  readonly log: Logger
  readonly metrics: Metrics
}

/** A service's subscription to a topic. */
export interface Consumer {
  start(): Promise<void>
  /** Takes no new batch and waits for the current one. May be called twice. */
  stop(): Promise<void>
}

/** Bytes of a poison message that its report carries: the report has to fit into a message, the stored row has them all. */
const reportedBytes = 64 * 1024

/** The same fact for all services, on `job-dead-letter`; the stored row is the truth. */
function asDeadLetter({
  topic,
  key,
  partition,
  offset,
  raw,
  reason,
}: PoisonMessage): OutgoingMessage<'job-dead-letter'> {
  const position = { topic, partition: partition ?? 0, offset: offset ?? '' }
  const shown = Buffer.from(raw.subarray(0, reportedBytes)).toString('base64')
  return { key, value: { kind: 'poison', ...position, reason, raw: shown } }
}

/** Messages on which the handler failed that are remembered: a command without an answer is sent again and again. */
const rememberedFailures = 1000

/** A message that its handler fails on. */
interface Failed<T extends Topic> {
  readonly message: IncomingMessage<T>
  readonly error: unknown
}

/**
 * Hands a batch to the handler. When that fails, each half is tried by itself, until the messages that it fails on are alone:
 * these are answered. Rejects while nothing can be stored, whatever the message is: the batch comes again as a whole.
 */
async function handleEach<T extends Topic>(
  handle: BatchHandler<T>,
  messages: readonly IncomingMessage<T>[],
): Promise<Failed<T>[]> {
  try {
    await handle(messages)
    return []
  } catch (error) {
    if (isTransient(error)) throw error
    const [message] = messages
    if (messages.length === 1 && message) return [{ message, error }]
    const middle = Math.ceil(messages.length / 2)
    const first = await handleEach(handle, messages.slice(0, middle))
    return [...first, ...(await handleEach(handle, messages.slice(middle)))]
  }
}

/**
 * Subscribes a service to a topic. A poison message, which cannot be read or on which the handler fails, is stored, counted,
 * reported on `job-dead-letter` and passed over: to deliver it again would hold up its partition for ever. The report is not
 * waited for, since a bus that takes nothing must not keep the service from taking messages.
 */
export function createConsumer<T extends Topic>(options: ConsumerOptions<T>): Consumer {
  const { bus, topic, group, handle, poison, metrics } = options
  const log = options.log.child({ topic, group })
  const poisoned = metrics.counter('belfry_poison_messages_total', 'Messages that could not be taken', ['topic'])
  const failures = createRecent(rememberedFailures)
  const reports = new Set<Promise<void>>()
  let joining: ReturnType<Bus['subscribe']> | null = null

  function report(messages: readonly PoisonMessage[]): void {
    // A report of poison among the dead letters would come back to this consumer.
    if (topic === 'job-dead-letter') return
    const reporting = bus
      .publish('job-dead-letter', messages.map(asDeadLetter))
      .catch((err) => log.warn({ err }, 'poison message not reported'))
      .finally(() => reports.delete(reporting))
    reports.add(reporting)
  }

  async function onPoison(messages: readonly PoisonMessage[]): Promise<void> {
    await poison.keep(messages)
    poisoned.inc({ topic }, messages.length)
    for (const { partition, offset, reason } of messages)
      log.error({ partition, offset, reason }, 'poison message kept')
    report(messages)
  }

  /** A message that comes again with the same bytes and fails again is counted only. */
  async function onBatch(messages: readonly IncomingMessage<T>[]): Promise<void> {
    const failed = await handleEach(handle, messages)
    if (failed.length === 0) return
    log.error({ err: failed[0]?.error, messages: failed.length }, 'the handler fails on a message')
    const kept = new Map<string, PoisonMessage>()
    for (const { message, error } of failed) {
      const { key, value, partition, offset } = message
      const raw = Buffer.from(JSON.stringify(value))
      const digest = createHash('sha256').update(raw).digest('base64')
      if (failures.has(digest)) poisoned.inc({ topic })
      else kept.set(digest, { topic, group, key, partition, offset, raw, reason: reasonOf(error) })
    }
    if (kept.size > 0) await onPoison([...kept.values()])
    for (const digest of kept.keys()) failures.add(digest)
  }

  return {
    async start() {
      joining ??= bus.subscribe(topic, group, { onBatch, onPoison })
      await joining
    },
    async stop() {
      const subscription = await joining
      joining = null
      await subscription?.stop()
      await Promise.all(reports)
    },
  }
}

/** The `onPoison` of a subscriber that may miss messages: they are passed over. */
export async function ignorePoison(): Promise<void> {}
