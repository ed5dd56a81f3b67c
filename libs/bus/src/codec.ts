import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Envelope, envelope as envelopeSchema, type Topic, type TopicValues, topics } from '@belfry/contracts'
import type { Clock, Ids } from '@belfry/service'
import type { IncomingMessage, OutgoingMessage, PoisonMessage, Subscriber } from './port.ts'
import { reasonOf } from './reason.ts'

/** A message as a broker carries it: the value's JSON, and the envelope in the headers. */
export interface EncodedMessage {
  readonly key: string
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

/** The same at its position in the topic. */
export interface ArrivedMessage extends EncodedMessage {
  readonly partition: number
  readonly offset: string
}

export interface CodecOptions {
  readonly clock: Clock
  readonly ids: Ids
  /** Service and instance, for the envelope. */
  readonly sender: string
  /** The bus key. With it every message is signed, and an unsigned or altered one is poison; without it none is. */
  readonly key?: string | Uint8Array | undefined
  /** Bytes of the largest value that is read; a larger one is poison, of which so much is kept. Default: no bound. */
  readonly valueBytes?: number
}

/** The one place in which messages become bytes and bytes become messages, for every adapter that carries bytes. */
export interface Codec {
  encode<T extends Topic>(topic: T, messages: readonly OutgoingMessage<T>[]): EncodedMessage[]
  /** Decodes a batch of the topic and hands its poison, then its messages, to the subscriber; rejects as they do. */
  deliver<T extends Topic>(
    topic: T,
    group: string,
    subscriber: Subscriber<T>,
    arrived: readonly ArrivedMessage[],
  ): Promise<void>
}

type Unsigned = Omit<Envelope, 'hmac'>

/** What the signature covers: the key, the envelope and the value, so that none can be taken over into another message. */
function signatureOf(busKey: string | Uint8Array, key: string, unsigned: Unsigned, value: Uint8Array): Buffer {
  const { version, id, type, time, traceparent, sender } = unsigned
  const head = JSON.stringify([key, version, id, type, time, traceparent, sender])
  return createHmac('sha256', busKey).update(head).update('\n').update(value).digest()
}

/** A schema of the contracts, by its one method that is used here. */
interface Schema<T> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: T }
    | { success: false; error: { issues: readonly { path: PropertyKey[]; message: string }[] } }
}

/** Throws with the place and the reason of every issue. */
function parsed<T>(schema: Schema<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new Error(
    result.error.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`).join('; '),
  )
}

function headersOf({ version, id, type, time, traceparent, sender, hmac }: Envelope): Record<string, string> {
  const always = { version: String(version), id, type, time: String(time), sender }
  return { ...always, ...(traceparent === null ? {} : { traceparent }), ...(hmac === null ? {} : { hmac }) }
}

function envelopeOf({ headers }: EncodedMessage): Envelope {
  const { version, id, type, time, traceparent = null, sender, hmac = null } = headers
  const read = { version: Number(version), id, type, time: Number(time), traceparent, sender, hmac }
  return parsed(envelopeSchema, read)
}

function decodeValue<T extends Topic>(topic: T, bytes: Uint8Array): TopicValues[T] {
  const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  return parsed<TopicValues[Topic]>(topics[topic], value) as TopicValues[T]
}

export function createCodec({ clock, ids, sender, key: busKey, valueBytes }: CodecOptions): Codec {
  const largest = valueBytes ?? Number.POSITIVE_INFINITY

  /** Throws with the reason when the bus has a key and it did not sign the message. */
  function verify({ key, value }: EncodedMessage, { hmac, ...unsigned }: Envelope): void {
    if (busKey === undefined) return
    if (hmac === null) throw new Error('the message is not signed')
    const given = Buffer.from(hmac, 'base64url')
    const expected = signatureOf(busKey, key, unsigned, value)
    if (given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new Error('the signature does not fit the message')
  }

  function decode<T extends Topic>(topic: T, message: ArrivedMessage): IncomingMessage<T> {
    const bytes = message.value.length
    if (bytes > largest) throw new Error(`the message has ${bytes} bytes, ${largest} are taken`)
    const envelope = envelopeOf(message)
    if (envelope.type !== topic) throw new Error(`the message is one of ${envelope.type}`)
    verify(message, envelope)
    const { key, partition, offset } = message
    return { key, value: decodeValue(topic, message.value), envelope, partition, offset }
  }

  return {
    encode: (topic, messages) =>
      messages.map(({ key, value, traceparent = null }) => {
        const bytes = Buffer.from(JSON.stringify(value))
        const unsigned: Unsigned = { version: 1, id: ids.uuid(), type: topic, time: clock.now(), traceparent, sender }
        const hmac = busKey === undefined ? null : signatureOf(busKey, key, unsigned, bytes).toString('base64url')
        return { key, value: bytes, headers: headersOf({ ...unsigned, hmac }) }
      }),
    async deliver<T extends Topic>(
      topic: T,
      group: string,
      { onBatch, onPoison }: Subscriber<T>,
      arrived: readonly ArrivedMessage[],
    ) {
      const messages: IncomingMessage<T>[] = []
      const poison: PoisonMessage[] = []
      for (const one of arrived) {
        const { key, partition, offset, value } = one
        try {
          messages.push(decode(topic, one))
        } catch (error) {
          const raw = value.subarray(0, largest)
          poison.push({ topic, group, key, partition, offset, raw, reason: reasonOf(error) })
        }
      }
      if (poison.length > 0) await onPoison(poison)
      if (messages.length > 0) await onBatch(messages)
    },
  }
}
