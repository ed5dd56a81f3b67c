import type { Topic } from '@belfry/contracts'
import { createManualClock, createSeededIds } from '@belfry/service'
import { type ArrivedMessage, type Bus, createCodec, type IncomingMessage, type OutgoingMessage } from '../src/index.ts'
import { statusOf } from './messages.ts'

/** A message whose value is these bytes, whatever they say. */
export function garbled(key: string, bytes: string | Uint8Array): OutgoingMessage<'job-status'> {
  const raw = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
  return { key, value: { ...statusOf(key, 1), garbled: raw } as OutgoingMessage<'job-status'>['value'] }
}

/** A bus that carries bytes, as one with a broker does: here between two objects of one process. */
export function createBytesBus(bus: Bus): Bus {
  const codec = createCodec({ clock: createManualClock(), ids: createSeededIds(2), sender: 'test' })

  function asBytes<T extends Topic>(topic: T, message: IncomingMessage<T>, offset: number): ArrivedMessage {
    const { key, value, envelope } = message
    const [encoded] = codec.encode(topic, [{ key, value, traceparent: envelope.traceparent ?? undefined }])
    const { headers, value: bytes } = encoded as typeof encoded & {}
    const raw = 'garbled' in value ? (value.garbled as Uint8Array) : bytes
    return { key, value: raw, headers, partition: 7, offset: String(offset) }
  }

  return {
    ...bus,
    subscribe: (topic, group, subscriber) =>
      bus.subscribe(topic, group, {
        ...subscriber,
        onBatch: (batch) =>
          codec.deliver(
            topic,
            group,
            subscriber,
            batch.map((message, index) => asBytes(topic, message, index)),
          ),
      }),
  }
}
