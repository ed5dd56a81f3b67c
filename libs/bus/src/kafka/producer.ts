import { type Kafka, Partitioners, type Producer } from 'kafkajs'
import type { EncodedMessage } from '../codec.ts'
import { BatchTooLarge } from './sender.ts'

/** Hands batches to the broker; decision 024 has the reasons for its settings. */
export interface BatchProducer {
  /** Rejects with `BatchTooLarge` when the broker refuses the batch for its size. One call at a time. */
  send(name: string, messages: readonly EncodedMessage[]): Promise<void>
  close(): Promise<void>
}

/** What the broker answers to a batch that is too large for it. */
const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'type' in error && tooLarge.has(String(error.type))
}

/** The same bytes, not copied. */
function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

/** `ensureTopics` is awaited before the first batch. A producer that has failed is replaced by a new one. */
export function createBatchProducer(kafka: Kafka, ensureTopics: () => Promise<void>): BatchProducer {
  let producer: Producer | null = null
  let isClosed = false

  async function open(): Promise<Producer> {
    await ensureTopics()
    const opened = kafka.producer({ allowAutoTopicCreation: false, createPartitioner: Partitioners.DefaultPartitioner })
    await opened.connect()
    return opened
  }

  async function drop(): Promise<void> {
    const dropped = producer
    producer = null
    await dropped?.disconnect().catch(() => undefined)
  }

  return {
    async send(name, messages) {
      try {
        producer ??= await open()
        const records = messages.map(({ key, value, headers }) => ({ key, value: asBuffer(value), headers }))
        await producer.sendBatch({ acks: -1, topicMessages: [{ topic: name, messages: records }] })
      } catch (error) {
        if (isTooLarge(error)) throw new BatchTooLarge(String(error))
        await drop()
        throw error
      } finally {
        // A client that is still trying connects again by itself after its disconnect.
        if (isClosed) await drop()
      }
    },
    async close() {
      isClosed = true
      await producer?.disconnect().catch(() => undefined)
    },
  }
}
