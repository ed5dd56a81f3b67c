import type { JobStatusMessage } from '@belfry/contracts'
import { createManualClock, createMetrics, createSeededIds } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createMemoryBus, type IncomingMessage, ignorePoison, type MemoryBusOptions } from '../src/index.ts'
import { testBus } from './bus.contract.ts'
import { createBytesBus } from './bytes-bus.ts'
import { status, statusOf } from './messages.ts'

function openBus(options: Partial<MemoryBusOptions> = {}) {
  return createMemoryBus({ clock: createManualClock(), ids: createSeededIds(1), sender: 'test', ...options })
}

testBus({ name: 'memory', open: async () => openBus() })
testBus({ name: 'bytes', open: async () => createBytesBus(openBus()) })

/** A handler whose batches resolve one by one. */
function createGate() {
  const batches: IncomingMessage[][] = []
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  return {
    batches,
    sizes: () => batches.map((batch) => batch.length),
    take: (batch: readonly IncomingMessage[]) =>
      new Promise<void>((resolve, reject) => {
        batches.push([...batch])
        waiting.push({ resolve, reject })
      }),
    async open(failure?: Error) {
      const next = waiting.shift()
      if (failure) next?.reject(failure)
      else next?.resolve()
      await nextTurn()
    },
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))
/** A message with a result of so many characters. */
const sized = (length: number) => ({ key: 'a', value: { ...statusOf('a', 1), result: 'x'.repeat(length) } })
const many = (count: number) => Array.from({ length: count }, (_, i) => status(`job-${i}`))

describe('the memory bus', () => {
  it('hands objects on as they are', async () => {
    const bus = openBus()
    const gate = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const message = status('a')
    const sent = bus.publish('job-status', [message])
    await nextTurn()
    expect(gate.batches[0]?.[0]?.value).toBe(message.value)
    await gate.open()
    await sent
  })

  it('resolves only once every group has stored the messages', async () => {
    const bus = openBus()
    const gates = [createGate(), createGate()]
    for (const [index, gate] of gates.entries())
      await bus.subscribe('job-status', `group ${index}`, { onBatch: gate.take, onPoison: ignorePoison })
    let isStored = false
    const sent = bus.publish('job-status', [status('a')]).then(() => {
      isStored = true
    })
    await nextTurn()
    await gates[0]?.open()
    expect(isStored).toBe(false)
    await gates[1]?.open()
    await sent
  })

  it('puts what arrives during a batch into the next one', async () => {
    const bus = openBus()
    const gate = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const sent = [bus.publish('job-status', many(3)), bus.publish('job-status', many(1))]
    await nextTurn()
    for (let i = 0; i < 10; i += 1) sent.push(bus.publish('job-status', many(5)))
    await gate.open()
    await gate.open()
    await Promise.all(sent)
    expect(gate.sizes()).toEqual([4, 50])
  })

  it('never hands out more than a batch at once', async () => {
    const bus = openBus({ batchLimit: 10 })
    const gate = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const sent = Promise.all([bus.publish('job-status', many(7)), bus.publish('job-status', many(25))])
    await nextTurn()
    for (let i = 0; i < 4; i += 1) await gate.open()
    await sent
    expect(gate.sizes()).toEqual([10, 10, 10, 2])
    const keys = gate.batches.flat().map(({ key }) => key)
    expect(keys).toEqual([...many(7), ...many(25)].map(({ key }) => key))
  })

  it('hands out no more bytes than a batch may hold, and a larger message alone', async () => {
    const bus = openBus({ batchBytes: 10_000 })
    const gate = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const sizes = [4000, 3000, 3000, 50_000, 10, 3000]
    const sent = bus.publish('job-status', sizes.map(sized))
    await nextTurn()
    for (let i = 0; i < 4; i += 1) await gate.open()
    await sent
    expect(gate.sizes()).toEqual([2, 1, 1, 2])
    expect(gate.batches.flat().map(({ value }) => String((value as JobStatusMessage).result).length)).toEqual(sizes)
  })

  it('refuses whole what does not fit into the bytes of a group, and takes it again once there is room', async () => {
    const bus = openBus({ waitingBytes: 20_000 })
    const gate = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const first = bus.publish('job-status', [status('a')])
    await nextTurn()
    const second = bus.publish('job-status', [sized(15_000)])
    await expect(bus.publish('job-status', [sized(4000), sized(4000)])).rejects.toMatchObject({ code: 'bus-full' })
    await gate.open()
    await Promise.all([first])
    const third = bus.publish('job-status', [sized(4000), sized(4000)])
    await gate.open()
    await gate.open()
    await Promise.all([second, third])
    expect(gate.sizes()).toEqual([1, 1, 2])
  })

  it('takes a message that is larger than all that may wait, when nothing waits', async () => {
    const bus = openBus({ waitingBytes: 1000, batchBytes: 1000 })
    const gate = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const sent = bus.publish('job-status', [sized(100_000)])
    await expect(bus.publish('job-status', [status('b')])).rejects.toMatchObject({ code: 'bus-full' })
    await nextTurn()
    await gate.open()
    await sent
    expect(gate.sizes()).toEqual([1])
  })

  it('fails the publishes of a batch that was not stored, and no others', async () => {
    const bus = openBus({ batchLimit: 4 })
    const gate = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const sent = [3, 3, 1].map((count) => bus.publish('job-status', many(count)))
    const outcomes = Promise.allSettled(sent)
    await nextTurn()
    await gate.open()
    await gate.open(new Error('the disk is full'))
    expect(await outcomes).toMatchObject([
      { status: 'fulfilled' },
      { reason: { code: 'handler-failed', message: expect.stringContaining('the disk is full') } },
      { reason: { code: 'handler-failed' } },
    ])
  })

  it('treats a handler that throws as one that rejects', async () => {
    const bus = openBus()
    await bus.subscribe('job-status', 'job-service', {
      onBatch: () => {
        throw new Error('a bug')
      },
      onPoison: ignorePoison,
    })
    await expect(bus.publish('job-status', many(1))).rejects.toMatchObject({ code: 'handler-failed' })
  })

  it('refuses whole what does not fit, and takes it again later', async () => {
    const bus = openBus({ waitingLimit: 10 })
    const gate = createGate()
    const other = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const sent = [bus.publish('job-status', many(1))]
    await nextTurn()
    sent.push(bus.publish('job-status', many(8)))
    await bus.subscribe('job-status', 'late', { onBatch: other.take, onPoison: ignorePoison })
    await expect(bus.publish('job-status', many(3))).rejects.toMatchObject({ code: 'bus-full' })
    await gate.open()
    sent.push(bus.publish('job-status', many(3)))
    await nextTurn()
    for (let i = 0; i < 2; i += 1) await gate.open()
    await other.open()
    await Promise.all(sent)
    expect(gate.sizes()).toEqual([1, 8, 3])
    expect(other.sizes()).toEqual([3])
  })

  it('fails the publishes that still wait when the last member leaves', async () => {
    const bus = openBus({ batchLimit: 2 })
    const gate = createGate()
    const subscription = await bus.subscribe('job-status', 'job-service', {
      onBatch: gate.take,
      onPoison: ignorePoison,
    })
    const outcomes = Promise.allSettled([bus.publish('job-status', many(3)), bus.publish('job-status', many(1))])
    await nextTurn()
    const stopped = subscription.stop()
    await gate.open()
    await stopped
    expect(await outcomes).toMatchObject([{ reason: { code: 'bus-closed' } }, { reason: { code: 'bus-closed' } }])
    expect(gate.sizes()).toEqual([2])
  })

  it('shares the batches of a group among its members', async () => {
    const bus = openBus()
    const gates = [createGate(), createGate()]
    for (const gate of gates)
      await bus.subscribe('job-status', 'executor-service', { onBatch: gate.take, onPoison: ignorePoison })
    const sent = bus.publish('job-status', [status('a')])
    await nextTurn()
    const next = bus.publish('job-status', [status('b')])
    await gates[0]?.open()
    await gates[1]?.open()
    await Promise.all([sent, next])
    expect(gates.map((gate) => gate.batches.flat().map(({ key }) => key))).toEqual([['a'], ['b']])
  })

  it('freezes what it carries when asked to', async () => {
    const bus = openBus({ freeze: true })
    const gate = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const message = status('a')
    const sent = bus.publish('job-status', [message])
    expect(() => message.value.attempts.push({} as never)).toThrow(TypeError)
    await nextTurn()
    await gate.open()
    await sent
  })

  it('shows how far each group is behind', async () => {
    const metricsRegistry = createMetrics()
    const bus = openBus({ metrics: metricsRegistry.forService('standalone') })
    const gate = createGate()
    await bus.subscribe('job-status', 'job-service', { onBatch: gate.take, onPoison: ignorePoison })
    const sent = [bus.publish('job-status', many(1))]
    await nextTurn()
    sent.push(bus.publish('job-status', many(5)))
    const line = 'belfry_bus_lag_messages{service="standalone",topic="job-status",group="job-service"}'
    expect(await metricsRegistry.render()).toContain(`${line} 5\n`)
    await gate.open()
    await gate.open()
    await Promise.all(sent)
    expect(await metricsRegistry.render()).toContain(`${line} 0\n`)
  })

  it('keeps what is published before a group that belongs to the topic has joined', async () => {
    const bus = openBus({ groups: { 'job-status': ['job-service', 'scheduler-service'] } })
    const gates = [createGate(), createGate()] as const
    await bus.subscribe('job-status', 'job-service', { onBatch: gates[0].take, onPoison: ignorePoison })
    const sent = bus.publish('job-status', many(2))
    await nextTurn()
    await gates[0].open()
    await bus.subscribe('job-status', 'scheduler-service', { onBatch: gates[1].take, onPoison: ignorePoison })
    await nextTurn()
    expect(gates[1].sizes()).toEqual([2])
    await gates[1].open()
    await sent
  })

  it('refuses to publish once a group that belongs to the topic has left', async () => {
    const bus = openBus({ groups: { 'job-status': ['job-service'] } })
    const subscription = await bus.subscribe('job-status', 'job-service', {
      onBatch: async () => {},
      onPoison: ignorePoison,
    })
    await bus.publish('job-status', many(1))
    await subscription.stop()
    await expect(bus.publish('job-status', many(1))).rejects.toMatchObject({ code: 'bus-unavailable' })
  })

  it('fails the publishes that still wait for a group when it closes', async () => {
    const bus = openBus({ groups: { 'job-status': ['job-service'] } })
    const sent = expect(bus.publish('job-status', many(1))).rejects.toMatchObject({ code: 'bus-closed' })
    await bus.close()
    await sent
  })
})
