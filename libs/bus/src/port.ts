import type { Envelope, Topic, TopicValues } from '@belfry/contracts'

/** A message to send. `key` is the job id: messages of one key keep their order where the adapter can promise it. */
export interface OutgoingMessage<T extends Topic = Topic> {
  readonly key: string
  readonly value: TopicValues[T]
  /** W3C trace context of what caused the message; it travels in the envelope. */
  readonly traceparent?: string | undefined
}

/** A message as a consumer gets it. Its value fits the topic's schema. */
export interface IncomingMessage<T extends Topic = Topic> {
  readonly key: string
  readonly value: TopicValues[T]
  readonly envelope: Envelope
  /** Position in the topic, where the adapter has partitions: both null in process. */
  readonly partition: number | null
  readonly offset: string | null
}

/** A message that cannot be decoded, does not fit its topic's schema or is not signed, with its bytes as they came. */
export interface PoisonMessage {
  readonly topic: Topic
  readonly group: string
  readonly key: string
  readonly partition: number | null
  readonly offset: string | null
  readonly raw: Uint8Array
  readonly reason: string
}

/**
 * Takes a batch. When it resolves, every message of the batch is stored. When it rejects, the batch comes again: from
 * the bus, or from its senders, to whom an adapter that stores before `publish` resolves hands the failure.
 */
export type BatchHandler<T extends Topic> = (messages: readonly IncomingMessage<T>[]) => Promise<void>

/** Takes the poison of a batch. When it resolves, the messages are stored; when it rejects, the whole batch comes again. */
export type PoisonHandler = (messages: readonly PoisonMessage[]) => Promise<void>

/** What a group does with the messages of a topic. The adapter calls `onPoison` first, then `onBatch` with the rest. */
export interface Subscriber<T extends Topic> {
  readonly onBatch: BatchHandler<T>
  readonly onPoison: PoisonHandler
}

/** What an adapter can and cannot do; the contract suite reads it, and the docs print it. */
export interface BusCapabilities {
  /** Messages that were published outlive the process. */
  readonly survivesRestart: boolean
  /** Messages of one key arrive in the order in which they were sent. */
  readonly ordersPerKey: boolean
  /** `publish` resolves only after every group has stored the messages. */
  readonly storesBeforePublishResolves: boolean
}

/**
 * The bus. Messages are nudges: the protocol stays right when one is lost, doubled or late (protocol.md, line 1).
 * `publish` rejects with a `BusError` when the messages could not be handed over; the caller sends them again later.
 */
export interface Bus {
  readonly capabilities: BusCapabilities
  publish<T extends Topic>(topic: T, messages: readonly OutgoingMessage<T>[]): Promise<void>
  /** One consumer group per service; each message reaches one member of every group. */
  subscribe<T extends Topic>(topic: T, group: string, subscriber: Subscriber<T>): Promise<Subscription>
  close(): Promise<void>
}

export interface Subscription {
  /** Takes no new batch and waits for the current one. */
  stop(): Promise<void>
}

/**
 * `bus-full`: a bounded queue is full. `bus-closed`: after close. `bus-unavailable`: a group of the topic has left.
 * `handler-failed`: a group did not store the batch.
 */
export class BusError extends Error {
  readonly code: 'bus-full' | 'bus-closed' | 'bus-unavailable' | 'handler-failed'
  constructor(code: BusError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BusError'
    this.code = code
  }
}
