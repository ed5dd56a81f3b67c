import type { Topic } from '@belfry/contracts'
import type { Bus, IncomingMessage, OutgoingMessage } from '../src/index.ts'
import { statusOf } from './messages.ts'

/** A message whose value is these bytes, whatever they say. */
export function garbled(key: string, bytes: string | Uint8Array): OutgoingMessage<'job-status'> {
  const raw = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
  return { key, value: { ...statusOf(key, 1), garbled: raw } as OutgoingMessage<'job-status'>['value'] }
}

function asBytes<T extends Topic>(message: IncomingMessage<T>, offset: number): IncomingMessage<T> {
  const { value } = message
  const raw = 'garbled' in value ? (value.garbled as Uint8Array) : new TextEncoder().encode(JSON.stringify(value))
  return { ...message, value: null as never, raw, partition: 7, offset: String(offset) }
}

/** A bus that carries bytes, as one with a broker does: here between two objects of one process. */
export function createBytesBus(bus: Bus): Bus {
  return {
    ...bus,
    subscribe: (topic, group, onBatch) =>
      bus.subscribe(topic, group, (batch) => onBatch(batch.map((message, index) => asBytes(message, index)))),
  }
}
