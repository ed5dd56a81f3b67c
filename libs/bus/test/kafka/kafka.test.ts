import { setTimeout as sleep } from 'node:timers/promises'
import type { Topic } from '@belfry/contracts'
import { createLog, createMetrics } from '@belfry/service'
import { uniqueName } from '@belfry/testkit'
import { CompressionCodecs, CompressionTypes } from 'kafkajs'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Bus, createConsumer, type IncomingMessage, ignorePoison, type PoisonMessage } from '../../src/index.ts'
import { testBus } from '../bus.contract.ts'
import { status, statusOf } from '../messages.ts'
import { createKafkaWorld, deadlineMs, eventually, kafkaUrl } from './world.ts'

type Status = IncomingMessage<'job-status'>

/** Counts what it gets by key; `delayMs` for each batch. */
function createCounter(delayMs = 0) {
  const counts = new Map<string, number>()
  const onBatch = async (batch: readonly Status[]) => {
    if (delayMs > 0) await sleep(delayMs)
    for (const { key } of batch) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return { counts, subscriber: { onBatch, onPoison: ignorePoison } }
}

const many = (count: number, from = 0) => Array.from({ length: count }, (_, n) => status(`job-${from + n}`))
const sized = (key: string, length: number) => ({ key, value: { ...statusOf(key, 1), result: 'x'.repeat(length) } })

async function publishUntilTaken(bus: Bus, messages: ReturnType<typeof many>): Promise<void> {
  for (;;) {
    try {
      return await bus.publish('job-status', messages)
    } catch (error) {
      expect(error).toMatchObject({ code: 'bus-unavailable' })
    }
  }
}

describe.skipIf(kafkaUrl === undefined)('on a real broker', { timeout: 2 * deadlineMs }, () => {
  const world = createKafkaWorld()
  afterAll(world.close, 2 * deadlineMs)
  testBus({ name: 'kafka', open: async () => (await world.open()).bus, timeoutMs: deadlineMs })

  /** Offsets that the group has committed, over all partitions. */
  async function committed(groupId: string, topic: string): Promise<number> {
    const admin = await world.useAdmin()
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return (offsets?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0)
  }

  /** Up to 64 KiB as one literal of Snappy's format, which needs no compressor. */
  function snappyOf(bytes: Buffer): Buffer {
    const length = [(bytes.length % 128) + 128, Math.floor(bytes.length / 128)]
    const literal = Buffer.from([...length, 61 << 2, 0, 0])
    literal.writeUInt16LE(bytes.length - 1, 3)
    return Buffer.concat([literal, bytes])
  }

  describe('the bus on Kafka', () => {
    it('shares a topic among the members of a group, and loses nothing while they come and go', async () => {
      const { bus, topicNames } = await world.open()
      const [first, second] = [await world.open({ topicNames }), await world.open({ topicNames })]
      const [one, other] = [createCounter(5), createCounter(5)]
      const leaving = await first.bus.subscribe('job-status', 'g', one.subscriber)
      for (let n = 0; n < 600; n += 100) await publishUntilTaken(bus, many(100, n))
      await second.bus.subscribe('job-status', 'g', other.subscriber)
      for (let n = 600; n < 1200; n += 100) await publishUntilTaken(bus, many(100, n))
      await eventually(() => one.counts.size > 0 && other.counts.size > 0)
      await leaving.stop()
      const before = one.counts.size
      for (let n = 1200; n < 1500; n += 100) await publishUntilTaken(bus, many(100, n))
      await eventually(() => new Set([...one.counts.keys(), ...other.counts.keys()]).size === 1500)
      expect(one.counts.size).toBe(before)
    })

    it('commits after the handler has stored the messages, and not before', async () => {
      const { bus, topicNames } = await world.open()
      let mayStore = false
      let tries = 0
      const seen = new Set<string>()
      await bus.subscribe('job-status', 'g', {
        async onBatch(batch) {
          tries += 1
          if (!mayStore) throw new Error('the store is away')
          for (const { key } of batch) seen.add(key)
        },
        onPoison: ignorePoison,
      })
      await bus.publish('job-status', many(10))
      await eventually(() => tries >= 3)
      const groupId = `g.${topicNames['job-status']}`
      expect(await committed(groupId, topicNames['job-status'])).toBe(0)
      mayStore = true
      await eventually(() => seen.size === 10)
      await eventually(async () => (await committed(groupId, topicNames['job-status'])) === 10)
    })

    it('keeps its place in the group while its store is away for longer than a session', async () => {
      const { bus } = await world.open()
      const begun = performance.now()
      let tries = 0
      const { counts, subscriber } = createCounter()
      await bus.subscribe('job-status', 'g', {
        ...subscriber,
        async onBatch(batch) {
          tries += 1
          if (performance.now() - begun < 9000) throw new Error('the store is away')
          await subscriber.onBatch(batch)
        },
      })
      await bus.publish('job-status', many(5))
      await eventually(() => counts.size === 5)
      expect(tries).toBeGreaterThan(3)
      await sleep(1000)
      expect([...counts.values()]).toEqual([1, 1, 1, 1, 1])
    })

    it('goes on after what was committed when a service starts again', async () => {
      const { bus, topicNames } = await world.open()
      const first = await world.open({ topicNames })
      const one = createCounter()
      await first.bus.subscribe('job-status', 'g', one.subscriber)
      await bus.publish('job-status', many(50))
      await eventually(() => one.counts.size === 50)
      await first.bus.close()
      await bus.publish('job-status', many(10, 50))
      const second = await world.open({ topicNames })
      const other = createCounter()
      await second.bus.subscribe('job-status', 'g', other.subscriber)
      await eventually(() => other.counts.size === 10)
      expect([...other.counts.keys()].filter((key) => one.counts.has(key))).toEqual([])
    })

    it('shows how many messages wait for a group', async () => {
      const { bus, metrics } = await world.open()
      let release: () => void = () => undefined
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      const handled = createCounter()
      await bus.subscribe('job-status', 'g', {
        onPoison: ignorePoison,
        async onBatch(batch) {
          await held
          await handled.subscriber.onBatch(batch)
        },
      })
      await bus.publish('job-status', many(30))
      const lag = async () => /belfry_bus_lag_messages\{.*topic="job-status".*\} (\d+)/.exec(await metrics())?.[1]
      await eventually(async () => Number(await lag()) > 0)
      release()
      await eventually(() => handled.counts.size === 30)
      await eventually(async () => (await lag()) === '0')
    })

    it('accepts a topic with another number of partitions, and says so', async () => {
      const topicNames = world.newTopics()
      const admin = await world.useAdmin()
      await admin.createTopics({
        topics: [{ topic: topicNames['job-status'], numPartitions: 1 }],
        waitForLeaders: true,
      })
      const { bus, lines } = await world.open({ topicNames })
      await bus.publish('job-status', [status('a')])
      const found = { topic: topicNames['job-status'], partitions: 1, wanted: 3 }
      expect(lines).toContainEqual(expect.objectContaining(found))
    })
  })

  describe('poison on Kafka', () => {
    async function startConsumer(bus: Bus) {
      const handled = createCounter()
      const kept: PoisonMessage[] = []
      const consumer = createConsumer({
        bus,
        topic: 'job-status',
        group: 'g',
        handle: handled.subscriber.onBatch,
        poison: { keep: async (messages) => void kept.push(...messages) },
        log: createLog({ level: 'silent' }),
        metrics: createMetrics().forService('test'),
      })
      await consumer.start()
      return { handled, kept }
    }

    it('is kept with its reason, reported, and holds up nothing', async () => {
      const { bus, topicNames } = await world.open({ key: 'k'.repeat(32) })
      const stranger = await world.open({ topicNames, key: 'x'.repeat(32) })
      const unsigned = await world.open({ topicNames })
      const letters: IncomingMessage<'job-dead-letter'>[] = []
      await bus.subscribe('job-dead-letter', 'g', {
        onBatch: async (batch) => void letters.push(...batch),
        onPoison: ignorePoison,
      })
      const name = topicNames['job-status']
      await world.sendRaw(name, [
        { key: 'not JSON', value: Buffer.from('{"half":') },
        { key: 'no value', value: null },
        { key: 'not text', value: Buffer.from([0xff, 0xfe, 0x00]) },
        { key: 'no envelope', value: Buffer.from(JSON.stringify(statusOf('a', 1))) },
        {
          key: 'unknown type',
          value: Buffer.from('{}'),
          headers: { version: '1', id: 'i', type: 'job-x', time: '1', sender: 's' },
        },
      ])
      await stranger.bus.publish('job-status', [status('wrong signature')])
      await unsigned.bus.publish('job-status', [status('no signature')])
      const { handled, kept } = await startConsumer(bus)
      await bus.publish('job-status', [status('good'), { key: 'wrong shape', value: { ...statusOf('a', 1), seq: 0 } }])
      await eventually(() => kept.length === 8 && handled.counts.has('good'))
      const reasons = Object.fromEntries(kept.map(({ key, reason }) => [key, reason]))
      expect(reasons).toEqual({
        'not JSON': expect.stringContaining('type'),
        'no value': expect.stringContaining('type'),
        'not text': expect.stringContaining('type'),
        'no envelope': expect.stringContaining('type'),
        'unknown type': expect.stringContaining('type'),
        'wrong signature': 'the signature does not fit the message',
        'no signature': 'the message is not signed',
        'wrong shape': expect.stringContaining('seq'),
      })
      for (const { partition, offset } of kept) expect([typeof partition, typeof offset]).toEqual(['number', 'string'])
      await eventually(() => letters.length === 8)
    })

    /** Topics that take messages up to this size. */
    async function topicsOf(bytes: number): Promise<Record<Topic, string>> {
      const topicNames = world.newTopics()
      const configEntries = [{ name: 'max.message.bytes', value: String(bytes) }]
      const topics = Object.values(topicNames).map((topic) => ({ topic, numPartitions: 3, configEntries }))
      await (await world.useAdmin()).createTopics({ topics, waitForLeaders: true })
      return topicNames
    }

    it('is found among many messages where the broker takes only smaller ones', async () => {
      const { bus } = await world.open({ topicNames: await topicsOf(20_000) })
      const { handled } = await startConsumer(bus)
      const messages = many(200)
      messages[70] = sized('large', 30_000)
      messages[150] = sized('larger', 200_000)
      const tooLarge = await bus.publish('job-status', messages).catch((error) => error)
      expect(tooLarge).toMatchObject({ name: 'BusError', code: 'too-large', messages: [{ index: 70 }, { index: 150 }] })
      expect(tooLarge.messages[1].bytes).toBeGreaterThan(200_000)
      await eventually(() => handled.counts.size === 198)
    })

    it('is what is over 1 MiB, although the broker takes it', async () => {
      const { bus, topicNames } = await world.open({ topicNames: await topicsOf(4_000_000) })
      const { handled, kept } = await startConsumer(bus)
      const sent = bus.publish('job-status', [status('a'), sized('large', 1_100_000), status('b')])
      await expect(sent).rejects.toMatchObject({ code: 'too-large', messages: [{ index: 1 }] })
      await world.sendRaw(topicNames['job-status'], [{ key: 'foreign', value: Buffer.alloc(3_000_000, 'x') }])
      await bus.publish('job-status', [status('c')])
      await eventually(() => handled.counts.size === 3 && kept.length === 1)
      const reason = 'the message has 3000000 bytes, 1048576 are taken'
      expect(kept).toMatchObject([{ key: 'foreign', reason }])
    })

    it('holds up nothing when it has many headers', async () => {
      const { bus, topicNames } = await world.open({ key: 'k'.repeat(32) })
      const { handled, kept } = await startConsumer(bus)
      const headers = Object.fromEntries(Array.from({ length: 40_000 }, (_, n) => [`header-${n}`, 'x']))
      await world.sendRaw(topicNames['job-status'], [{ key: 'foreign', value: Buffer.from('{}'), headers }])
      await bus.publish('job-status', many(20))
      await eventually(() => handled.counts.size === 20 && kept.length === 1)
      expect(kept).toMatchObject([{ key: 'foreign' }])
    })

    it('holds up nothing when it is of a transaction that does not end', async () => {
      const { bus, topicNames } = await world.open({ key: 'k'.repeat(32) })
      const { handled, kept } = await startConsumer(bus)
      const producer = world.kafka.producer({
        transactionalId: uniqueName('foreign'),
        maxInFlightRequests: 1,
        idempotent: true,
      })
      onTestFinished(() => producer.disconnect())
      await producer.connect()
      const transaction = await producer.transaction()
      const messages = Array.from({ length: 3 }, (_, partition) => ({
        partition,
        key: 'foreign',
        value: Buffer.from('{}'),
      }))
      await transaction.send({ topic: topicNames['job-status'], messages })
      await bus.publish('job-status', many(20))
      await eventually(() => handled.counts.size === 20 && kept.length === 3)
      await transaction.abort()
    })

    it('is one message in the place of a batch of very many', async () => {
      const { bus, topicNames, lines } = await world.open({ key: 'k'.repeat(32) })
      const { handled, kept } = await startConsumer(bus)
      const records = Array.from({ length: 20_000 }, () => ({ key: 'k', value: Buffer.alloc(0) }))
      await world.sendRaw(topicNames['job-status'], records, CompressionTypes.GZIP)
      await bus.publish('job-status', many(20))
      await eventually(() => handled.counts.size === 20 && kept.length === 1)
      expect(kept.map(({ offset }) => offset)).toEqual(['19999'])
      expect(lines).toContainEqual(expect.objectContaining({ level: 'error', records: 20_000 }))
    })

    it('is each message of a batch that is too large when it is decompressed', async () => {
      const { bus, topicNames, lines } = await world.open({ key: 'k'.repeat(32) })
      const { handled, kept } = await startConsumer(bus)
      const values = [Buffer.alloc(80 * 1024 * 1024), Buffer.from('small'), Buffer.from('small')]
      const records = values.map((value) => ({ key: 'foreign', value }))
      await world.sendRaw(topicNames['job-status'], records, CompressionTypes.GZIP)
      await bus.publish('job-status', many(20))
      await eventually(() => handled.counts.size === 20 && kept.length === 3)
      expect(kept.map(({ offset }) => offset)).toEqual(['0', '1', '2'])
      expect(lines).toContainEqual(expect.objectContaining({ level: 'error', compression: 'GZIP' }))
    })

    it('is each message of a batch whose compression is not known', async () => {
      const { bus, topicNames } = await world.open({ key: 'k'.repeat(32) })
      const { handled, kept } = await startConsumer(bus)
      const codec = CompressionCodecs[CompressionTypes.Snappy]()
      const compress = async ({ buffer }: { buffer: Buffer }) => snappyOf(buffer)
      CompressionCodecs[CompressionTypes.Snappy] = () => ({ ...codec, compress })
      const records = ['a', 'b'].map((value) => ({ key: 'foreign', value: Buffer.from(value) }))
      await world.sendRaw(topicNames['job-status'], records, CompressionTypes.Snappy)
      await bus.publish('job-status', many(20))
      await eventually(() => handled.counts.size === 20 && kept.length === 2)
    })

    it('is no message that is compressed with zstd', async () => {
      const { bus, topicNames } = await world.open({ key: 'k'.repeat(32) })
      const { kept } = await startConsumer(bus)
      await world.sendRaw(
        topicNames['job-status'],
        [{ key: 'foreign', value: Buffer.from('read') }],
        CompressionTypes.ZSTD,
      )
      await eventually(() => kept.length === 1)
      expect(kept.map(({ raw }) => Buffer.from(raw).toString())).toEqual(['read'])
    })

    it('is no message that is large and allowed, many of which are read', async () => {
      const { bus } = await world.open()
      const { handled } = await startConsumer(bus)
      const large = Array.from({ length: 40 }, (_, n) => sized(`job-${n}`, 400_000))
      for (let n = 0; n < 40; n += 10) await bus.publish('job-status', large.slice(n, n + 10))
      await bus.publish('job-status', [sized('largest', 1_000_000)])
      await eventually(() => handled.counts.size === 41)
    })
  })
})

describe('the bus on Kafka without a broker', { timeout: 2 * deadlineMs }, () => {
  const world = createKafkaWorld()

  it('refuses to publish, joins later, stays ready, and closes', async () => {
    const { bus, health, lines } = await world.open({}, 'kafka://127.0.0.1:1')
    const begun = performance.now()
    await expect(bus.publish('job-status', [status('a')])).rejects.toMatchObject({ code: 'bus-unavailable' })
    const { subscriber } = createCounter()
    await bus.subscribe('job-status', 'g', subscriber)
    expect(performance.now() - begun).toBeLessThan(25_000)
    health.setReady(true)
    await eventually(async () => (await health.report(true)).checks.some(({ name, ok }) => name === 'kafka' && !ok))
    expect(await health.report(false)).toMatchObject({ ready: true })
    await eventually(() => lines.filter(({ msg }) => msg === 'the broker does not answer').length === 1)
    const closing = performance.now()
    await bus.close()
    expect(performance.now() - closing).toBeLessThan(10_000)
    await expect(bus.publish('job-status', [status('a')])).rejects.toMatchObject({ code: 'bus-closed' })
  })
})
