import type { Envelope, Topic, TopicValues } from '@belfry/contracts'

/** A message to send. `key` is the job id: messages of one key keep their order where the body can promise it. */
export interface OutgoingMessage<T extends Topic = Topic> {
  readonly key: string
  readonly value: TopicValues[T]
}

/** A message as a consumer gets it, its value checked against the topic's schema where bytes came in. */
export interface IncomingMessage<T extends Topic = Topic> {
  readonly key: string
  readonly value: TopicValues[T]
  readonly envelope: Envelope
  /** Where it lay, when the body knows: both null in process. */
  readonly partition: number | null
  readonly offset: string | null
  /** The bytes as they came, where a body carries bytes: nobody has looked at them, and `value` waits for `createConsumer`. */
  readonly raw?: Uint8Array
}

/**
 * Takes a batch. When it resolves, every message of the batch is stored; when it rejects, the batch comes again: from
 * the bus, or from its senders, to whom a body that stores before `publish` resolves hands the failure.
 */
export type BatchHandler<T extends Topic> = (messages: readonly IncomingMessage<T>[]) => Promise<void>

/** What a body can and cannot do; the contract suite reads it, and the docs print it. */
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
  subscribe<T extends Topic>(topic: T, group: string, onBatch: BatchHandler<T>): Promise<Subscription>
  close(): Promise<void>
}

export interface Subscription {
  /** Takes no new batch, waits for the one at work. */
  stop(): Promise<void>
}

/** `bus-full`: a bounded queue is full. `bus-closed`: after close. `handler-failed`: a group did not store the batch. */
export class BusError extends Error {
  readonly code: 'bus-full' | 'bus-closed' | 'bus-unavailable' | 'handler-failed'
  constructor(code: BusError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BusError'
    this.code = code
  }
}
