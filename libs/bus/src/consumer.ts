import { type Topic, type TopicValues, topics } from '@belfry/contracts'
import type { Logger, Metrics } from '@belfry/service'
import type { BatchHandler, Bus, IncomingMessage, OutgoingMessage } from './port.ts'

/** A message that nobody can read, as it came. */
export interface PoisonMessage {
  readonly topic: Topic
  readonly group: string
  readonly key: string
  readonly partition: number | null
  readonly offset: string | null
  readonly raw: Uint8Array
  readonly reason: string
}

/** Where a service keeps poison for people to look at. When `keep` resolves the messages are stored. */
export interface PoisonStore {
  keep(messages: readonly PoisonMessage[]): Promise<void>
}

export interface ConsumerOptions<T extends Topic> {
  readonly bus: Bus
  readonly topic: T
  readonly group: string
  /** Stores what the batch says; see `BatchHandler`. It gets only messages whose value has been checked. */
  readonly handle: BatchHandler<T>
  readonly poison: PoisonStore
  readonly log: Logger
  readonly metrics: Metrics
}

/** A service's place at a topic. */
export interface Consumer {
  start(): Promise<void>
  /** Takes no new batch and waits for the one at work. May be called twice. */
  stop(): Promise<void>
}

const reasonLimit = 500

/** The value that the bytes hold, or why they hold none. */
function readValue<T extends Topic>(topic: T, raw: Uint8Array): { value: TopicValues[T] } | { reason: string } {
  try {
    const parsed = topics[topic].safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw)))
    if (parsed.success) return { value: parsed.data as TopicValues[T] }
    return { reason: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ') }
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) }
  }
}

/** The same fact for all services, on `job-dead-letter`; the row that was kept is the truth. */
function asDeadLetter({
  topic,
  key,
  partition,
  offset,
  raw,
  reason,
}: PoisonMessage): OutgoingMessage<'job-dead-letter'> {
  const place = { topic, partition: partition ?? 0, offset: offset ?? '' }
  return { key, value: { kind: 'poison', ...place, reason, raw: Buffer.from(raw).toString('base64') } }
}

/**
 * Subscribes a service to a topic. Bytes are checked here against the topic's schema, and only here: what came by
 * reference was checked where it entered the process. A message that cannot be read is kept, reported and passed over,
 * for repeating it would hold up its partition for ever and mend nothing.
 */
export function createConsumer<T extends Topic>(options: ConsumerOptions<T>): Consumer {
  const { bus, topic, group, handle, poison, metrics } = options
  const log = options.log.child({ topic, group })
  const poisoned = metrics.counter('belfry_poison_messages_total', 'Messages that could not be read', ['topic'])
  let joining: ReturnType<Bus['subscribe']> | null = null

  async function keep(messages: readonly PoisonMessage[]): Promise<void> {
    await poison.keep(messages)
    poisoned.inc({ topic }, messages.length)
    for (const { partition, offset, reason } of messages)
      log.error({ partition, offset, reason }, 'poison message kept')
    // Poison among the dead letters is kept, but would come back here if it were reported.
    if (topic === 'job-dead-letter') return
    await bus.publish('job-dead-letter', messages.map(asDeadLetter)).catch((err) => {
      log.warn({ err }, 'poison message not reported')
    })
  }

  async function read(messages: readonly IncomingMessage<T>[]): Promise<void> {
    const readable: IncomingMessage<T>[] = []
    const unreadable: PoisonMessage[] = []
    for (const message of messages) {
      const { raw, key, partition, offset } = message
      const result = raw ? readValue(topic, raw) : message
      if ('value' in result) readable.push(raw ? { ...message, value: result.value } : message)
      else if (raw) {
        const reason = result.reason.slice(0, reasonLimit)
        unreadable.push({ topic, group, key, partition, offset, raw, reason })
      }
    }
    if (unreadable.length > 0) await keep(unreadable)
    if (readable.length > 0) await handle(readable)
  }

  const onBatch: BatchHandler<T> = (messages) =>
    messages.some((message) => message.raw) ? read(messages) : handle(messages)

  return {
    async start() {
      joining ??= bus.subscribe(topic, group, onBatch)
      await joining
    },
    async stop() {
      const subscription = await joining
      joining = null
      await subscription?.stop()
    },
  }
}
