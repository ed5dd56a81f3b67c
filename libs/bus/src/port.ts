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

/**
 * A message that goes no further: it cannot be decoded, does not fit its topic's schema, is not signed, its handler fails on it,
 * or it is too large to be sent. With its bytes as they came or would have gone.
 */
export interface PoisonMessage {
  readonly topic: Topic
  /** The group that cannot take it; for a message that is too large, its sender. */
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
  /** Messages of one key arrive in the order in which they were sent, but for those that come again. */
  readonly ordersPerKey: boolean
  /** `publish` resolves only after every group has stored the messages. */
  readonly storesBeforePublishResolves: boolean
}

/**
 * The bus. Messages are nudges: the protocol stays right when one is lost, doubled or late (docs/protocol.md, principle 1).
 * `publish` rejects with a `BusError` when the messages could not be handed over; the caller sends them again later. It
 * answers within a bounded time, also while the broker is away. With a `TooLargeError` all messages were handed over but
 * those that it names.
 */
export interface Bus {
  readonly capabilities: BusCapabilities
  publish<T extends Topic>(topic: T, messages: readonly OutgoingMessage<T>[]): Promise<void>
  /**
   * One consumer group per service; each message reaches one member of every group. Resolves once the member has joined its
   * group; while the broker is away it resolves within a bounded time, and the member joins when the broker is back.
   */
  subscribe<T extends Topic>(topic: T, group: string, subscriber: Subscriber<T>): Promise<Subscription>
  /** Hands over what was published, as far as that is possible within a bounded time, and stops every subscription. */
  close(): Promise<void>
}

export interface Subscription {
  /** Takes no new batch and waits for the current one. */
  stop(): Promise<void>
}

/**
 * `bus-full`: a bounded queue is full. `bus-closed`: after close. `bus-unavailable`: a group of the topic has left, or the
 * broker did not take the messages in time; it may take them yet. `handler-failed`: a group did not store the batch.
 * `too-large`: see `TooLargeError`.
 */
export class BusError extends Error {
  readonly code: 'bus-full' | 'bus-closed' | 'bus-unavailable' | 'handler-failed' | 'too-large'
  constructor(code: BusError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BusError'
    this.code = code
  }
}

/** A message that the bus never takes: its place in the call of `publish`, and the bytes of its value. */
export interface TooLargeMessage {
  readonly index: number
  readonly bytes: number
}

/** Some messages of a `publish` are larger than the bus takes; all others of that call were handed over. */
export class TooLargeError extends BusError {
  readonly messages: readonly TooLargeMessage[]
  constructor(messages: readonly TooLargeMessage[]) {
    super('too-large', `${messages.length} messages are too large for the bus`)
    this.messages = messages
  }
}
