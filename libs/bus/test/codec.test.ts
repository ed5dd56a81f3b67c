import { createManualClock, createSeededIds } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import {
  type ArrivedMessage,
  type Codec,
  createCodec,
  type EncodedMessage,
  type IncomingMessage,
  type PoisonMessage,
} from '../src/index.ts'
import { status, statusOf } from './messages.ts'

const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

function codecOf(key?: string, valueBytes = 1_000_000): Codec {
  return createCodec({ clock: createManualClock(), ids: createSeededIds(1), sender: 'test', key, valueBytes })
}

/** What a subscriber gets of these messages. */
async function deliver(codec: Codec, encoded: readonly EncodedMessage[]) {
  const messages: IncomingMessage<'job-status'>[] = []
  const poison: PoisonMessage[] = []
  const subscriber = {
    onBatch: async (batch: readonly IncomingMessage<'job-status'>[]) => void messages.push(...batch),
    onPoison: async (batch: readonly PoisonMessage[]) => void poison.push(...batch),
  }
  const arrived = encoded.map((one, index): ArrivedMessage => ({ ...one, partition: 3, offset: String(index) }))
  await codec.deliver('job-status', 'job-service', subscriber, arrived)
  return { messages, poison }
}

const encodeOne = (codec: Codec, message = status('a')) => codec.encode('job-status', [message])[0] as EncodedMessage

describe('the codec of the bus', () => {
  it('carries key, value, envelope and trace', async () => {
    const codec = codecOf()
    const { messages, poison } = await deliver(codec, [encodeOne(codec, { ...status('a', 5), traceparent: trace })])
    expect(poison).toEqual([])
    expect(messages).toMatchObject([{ key: 'a', value: statusOf('a', 5), partition: 3, offset: '0' }])
    expect(messages[0]?.envelope).toMatchObject({ type: 'job-status', sender: 'test', traceparent: trace, hmac: null })
  })

  it('delivers the readable messages of a batch, and the others with their bytes and the reason', async () => {
    const codec = codecOf()
    const good = encodeOne(codec)
    const raw = Buffer.from('{"half":')
    const { messages, poison } = await deliver(codec, [{ ...good, value: raw }, good, { ...good, headers: {} }])
    expect(messages.map(({ offset }) => offset)).toEqual(['1'])
    expect(poison.map(({ offset }) => offset)).toEqual(['0', '2'])
    expect(poison[1]?.reason).toMatch(/^version: .*; id: /)
    expect(poison[0]).toMatchObject({ topic: 'job-status', group: 'job-service', key: 'a', partition: 3, raw })
  })

  it('takes a message of another topic for poison', async () => {
    const codec = codecOf()
    const { poison } = await deliver(codec, otherTopic(codec))
    expect(poison[0]?.reason).toContain('job-dead-letter')
  })

  it('verifies the signature of every message when the bus has a key', async () => {
    const codec = codecOf('secret')
    const good = encodeOne(codec)
    const { messages, poison } = await deliver(codec, [
      good,
      encodeOne(codecOf()),
      encodeOne(codecOf('another')),
      { ...good, key: 'b' },
      { ...good, value: Buffer.from(JSON.stringify(statusOf('a', 9))) },
      { ...good, headers: { ...good.headers, time: '7' } },
      { ...good, headers: { ...good.headers, hmac: 'short' } },
    ])
    expect(messages.map(({ offset }) => offset)).toEqual(['0'])
    expect(poison.map(({ reason }) => reason)).toEqual([
      'the message is not signed',
      ...Array(5).fill('the signature does not fit the message'),
    ])
  })

  it('reads a message of a newer version, and drops the fields that are unknown here', async () => {
    const codec = codecOf('secret')
    const message = status('a')
    const { error: _, ...rest } = message.value
    const value = { ...rest, more: [1], error: { code: 'x', message: 'y', more: 1 } } as typeof message.value
    const [encoded] = codec.encode('job-status', [{ ...message, value }])
    const headers = { ...encoded?.headers, more: 'header' } as Record<string, string>
    const { messages, poison } = await deliver(codec, [{ ...(encoded as EncodedMessage), headers }])
    expect(poison).toEqual([])
    expect(messages[0]?.value).toEqual({ ...message.value, error: { code: 'x', message: 'y' } })
  })

  it('takes a message that is too large for poison, and keeps so much of it as may be sent', async () => {
    const codec = codecOf(undefined, 1000)
    const good = encodeOne(codec)
    const large = Buffer.alloc(1001, 'x')
    const { messages, poison } = await deliver(codec, [{ ...good, value: large }, good])
    expect(messages).toHaveLength(1)
    expect(poison).toMatchObject([
      { reason: 'the message has 1001 bytes, 1000 are taken', raw: large.subarray(0, 1000) },
    ])
  })

  it('reads signed messages without a key', async () => {
    expect((await deliver(codecOf(), [encodeOne(codecOf('secret'))])).messages).toHaveLength(1)
  })
})

function otherTopic(codec: Codec): EncodedMessage[] {
  const value = { kind: 'poison', topic: 'job-status', partition: 0, offset: '', reason: '', raw: '' } as const
  return codec.encode('job-dead-letter', [{ key: 'a', value }])
}
