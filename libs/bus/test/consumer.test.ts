import { createLog, createManualClock, createMetrics, createSeededIds, type MetricsRegistry } from '@belfry/service'
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
  let registry: MetricsRegistry
  beforeEach(async () => {
    memory = createMemoryBus({ clock: createManualClock(), ids: createSeededIds(1), sender: 'test' })
    handled = []
    kept = []
    letters = []
    registry = createMetrics()
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
    await expect.poll(() => letters.map(({ key }) => key)).toEqual(['b', 'c', 'd', 'e'])
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

  /** A consumer whose handler fails on these keys. */
  async function startFailing(bad: readonly string[], error = new Error('the handler is wrong')) {
    const sizes: number[] = []
    const handle = async (batch: readonly IncomingMessage<'job-status'>[]) => {
      sizes.push(batch.length)
      if (batch.some(({ key }) => bad.includes(key))) throw error
      handled.push(...batch)
    }
    let keepFailures = 0
    const consumer = createConsumer({
      bus: memory,
      topic: 'job-status',
      group: 'job-service',
      handle,
      poison: {
        async keep(messages) {
          if (keepFailures-- > 0) throw new Error('the disk is full')
          kept.push(...messages)
        },
      },
      log: createLog({ level: 'silent' }),
      metrics: registry.forService('job-service'),
    })
    await consumer.start()
    const failKeep = () => {
      keepFailures = 1
    }
    return { sizes, failKeep }
  }
  const many = (count: number) => Array.from({ length: count }, (_, index) => status(`job-${index}`))

  it('keeps the message on which the handler fails, and handles all others', async () => {
    const { sizes } = await startFailing(['job-700'], new Error('x'.repeat(600)))
    await memory.publish('job-status', many(1000))
    expect(handled).toHaveLength(999)
    expect(kept).toMatchObject([{ key: 'job-700', topic: 'job-status', group: 'job-service', reason: 'x'.repeat(500) }])
    expect(JSON.parse(Buffer.from(kept[0]?.raw ?? []).toString())).toEqual(statusOf('job-700', 1))
    expect(sizes.length).toBeLessThan(25)
    await expect.poll(() => letters.map(({ value }) => value)).toMatchObject([{ kind: 'poison', topic: 'job-status' }])
  })

  it('keeps a message once that is sent again and again', async () => {
    await startFailing(['b'])
    for (let n = 0; n < 3; n += 1) await memory.publish('job-status', [status('a'), status('b')])
    expect(kept).toHaveLength(1)
    expect(await registry.render()).toContain(
      'belfry_poison_messages_total{service="job-service",topic="job-status"} 3',
    )
  })

  it('gets a batch again when the message on which the handler fails cannot be kept', async () => {
    const { failKeep } = await startFailing(['b'])
    failKeep()
    await expect(memory.publish('job-status', [status('b')])).rejects.toMatchObject({ code: 'handler-failed' })
    await memory.publish('job-status', [status('b')])
    expect(kept).toHaveLength(1)
  })

  const codes = ['disk-full', 'locked', 'closed', 'overloaded', 'unavailable', 'outcome-unknown', 'conflict']
  it.each(codes)('passes over nothing while the store says %s', async (code) => {
    const { sizes } = await startFailing(['b'], Object.assign(new Error('not now'), { code }))
    const sent = memory.publish('job-status', [status('a'), status('b')])
    await expect(sent).rejects.toMatchObject({ code: 'handler-failed' })
    expect([sizes, kept, handled]).toEqual([[2], [], []])
  })

  it('takes messages while the bus takes no reports', async () => {
    const publish: Bus['publish'] = (topic, messages) =>
      topic === 'job-dead-letter' ? new Promise(() => undefined) : memory.publish(topic, messages)
    await startConsumer({ ...createBytesBus(memory), publish })
    await memory.publish('job-status', [garbled('b', 'no'), status('a')])
    await memory.publish('job-status', [status('c')])
    expect(handled.map(({ key }) => key)).toEqual(['a', 'c'])
  })

  it('reports as much of a large message as fits into a message', async () => {
    await startConsumer(createBytesBus(memory))
    await memory.publish('job-status', [garbled('b', 'x'.repeat(900_000))])
    await expect.poll(() => letters).toHaveLength(1)
    expect(kept[0]?.raw).toHaveLength(900_000)
    expect(JSON.stringify(letters[0]?.value).length).toBeLessThan(100_000)
  })

  it('gets nothing after stop', async () => {
    const consumer = await startConsumer(memory)
    await consumer.stop()
    await consumer.stop()
    await memory.publish('job-status', [status('a')])
    expect(handled).toEqual([])
  })
})
