import { createLog, createManualClock, createMetrics, createSeededIds } from '@belfry/service'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  type Bus,
  createConsumer,
  createMemoryBus,
  type IncomingMessage,
  ignorePoison,
  type PoisonMessage,
} from '../src/index.ts'
import { createBytesBus, garbled } from './bytes-bus.ts'
import { status, statusOf } from './messages.ts'

describe('a consumer', () => {
  let memory: Bus
  let handled: IncomingMessage<'job-status'>[]
  let kept: PoisonMessage[]
  let letters: IncomingMessage<'job-dead-letter'>[]
  beforeEach(async () => {
    memory = createMemoryBus({ clock: createManualClock(), ids: createSeededIds(1), sender: 'test' })
    handled = []
    kept = []
    letters = []
    await memory.subscribe('job-dead-letter', 'operator', {
      onBatch: async (batch) => void letters.push(...batch),
      onPoison: ignorePoison,
    })
  })

  async function startConsumer(
    bus: Bus,
    keep = async (messages: readonly PoisonMessage[]) => void kept.push(...messages),
  ) {
    const consumer = createConsumer({
      bus,
      topic: 'job-status',
      group: 'job-service',
      handle: async (batch) => void handled.push(...batch),
      poison: { keep },
      log: createLog({ level: 'silent' }),
      metrics: createMetrics().forService('job-service'),
    })
    await consumer.start()
    return consumer
  }

  it('hands on the object of an in-process message unread', async () => {
    await startConsumer(memory)
    const message = status('a')
    await memory.publish('job-status', [message])
    expect(handled[0]?.value).toBe(message.value)
  })

  it('decodes bytes', async () => {
    await startConsumer(createBytesBus(memory))
    await memory.publish('job-status', [status('a', 3)])
    expect(handled).toMatchObject([{ key: 'a', partition: 7, value: statusOf('a', 3) }])
  })

  it('stores and reports poison, and handles the rest', async () => {
    await startConsumer(createBytesBus(memory))
    const wrong = JSON.stringify({ ...statusOf('d', 1), seq: 0, extra: 1 })
    const poison = [
      garbled('b', '{"half":'),
      garbled('c', new Uint8Array([0xff, 0xfe])),
      garbled('d', wrong),
      garbled('e', ''),
    ]
    await memory.publish('job-status', [status('a'), ...poison, status('z')])
    expect(handled.map(({ key }) => key)).toEqual(['a', 'z'])
    expect(kept.map(({ key, offset }) => [key, offset])).toEqual([
      ['b', '1'],
      ['c', '2'],
      ['d', '3'],
      ['e', '4'],
    ])
    expect(kept[2]).toMatchObject({ topic: 'job-status', group: 'job-service', partition: 7 })
    expect(kept[2]?.reason).toMatch(/seq/)
    for (const { reason } of kept) expect(reason).not.toBe('')
    expect(letters.map(({ key }) => key)).toEqual(['b', 'c', 'd', 'e'])
    expect(letters[2]?.value).toEqual({
      kind: 'poison',
      topic: 'job-status',
      partition: 7,
      offset: '3',
      reason: kept[2]?.reason,
      raw: Buffer.from(wrong).toString('base64'),
    })
  })

  it('gets a batch again when its poison could not be stored', async () => {
    let failures = 1
    await startConsumer(createBytesBus(memory), async (messages) => {
      if (failures-- > 0) throw new Error('the disk is full')
      kept.push(...messages)
    })
    const batch = [status('a'), garbled('b', 'no')]
    await expect(memory.publish('job-status', batch)).rejects.toMatchObject({ code: 'handler-failed' })
    expect(handled).toEqual([])
    await memory.publish('job-status', batch)
    expect(kept).toHaveLength(1)
    expect(handled).toHaveLength(1)
  })

  it('goes on when the report of poison is not taken', async () => {
    await memory.subscribe('job-dead-letter', 'broken', {
      onBatch: () => Promise.reject(new Error('no')),
      onPoison: ignorePoison,
    })
    await startConsumer(createBytesBus(memory))
    await memory.publish('job-status', [garbled('b', 'no'), status('a')])
    expect(kept).toHaveLength(1)
    expect(handled).toHaveLength(1)
  })

  it('gets nothing after stop', async () => {
    const consumer = await startConsumer(memory)
    await consumer.stop()
    await consumer.stop()
    await memory.publish('job-status', [status('a')])
    expect(handled).toEqual([])
  })
})
