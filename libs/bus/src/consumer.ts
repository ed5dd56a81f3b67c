import type { Topic } from '@belfry/contracts'
import type { Logger, Metrics } from '@belfry/service'
import type { BatchHandler, Bus, OutgoingMessage, PoisonMessage } from './port.ts'

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
  return { key, value: { kind: 'poison', ...position, reason, raw: Buffer.from(raw).toString('base64') } }
}

/**
 * Subscribes a service to a topic. A poison message is stored, counted, reported on `job-dead-letter` and passed over:
 * to deliver it again would hold up its partition for ever.
 */
export function createConsumer<T extends Topic>(options: ConsumerOptions<T>): Consumer {
  const { bus, topic, group, handle, poison, metrics } = options
  const log = options.log.child({ topic, group })
  const poisoned = metrics.counter('belfry_poison_messages_total', 'Messages that could not be read', ['topic'])
  let joining: ReturnType<Bus['subscribe']> | null = null

  async function onPoison(messages: readonly PoisonMessage[]): Promise<void> {
    await poison.keep(messages)
    poisoned.inc({ topic }, messages.length)
    for (const { partition, offset, reason } of messages)
      log.error({ partition, offset, reason }, 'poison message kept')
    // A report of poison among the dead letters would come back to this consumer.
    if (topic === 'job-dead-letter') return
    await bus.publish('job-dead-letter', messages.map(asDeadLetter)).catch((err) => {
      log.warn({ err }, 'poison message not reported')
    })
  }

  return {
    async start() {
      joining ??= bus.subscribe(topic, group, { onBatch: handle, onPoison })
      await joining
    },
    async stop() {
      const subscription = await joining
      joining = null
      await subscription?.stop()
    },
  }
}

/** The `onPoison` of a subscriber that may miss messages: they are passed over. */
export async function ignorePoison(): Promise<void> {}
