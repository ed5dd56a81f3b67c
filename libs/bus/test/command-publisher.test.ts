import type { JobExecuteMessage } from '@belfry/contracts'
import { createLog, createManualClock, createMetrics, createSeededIds } from '@belfry/service'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  type Bus,
  type CommandPublisherOptions,
  createCommandPublisher,
  createMemoryBus,
  ignorePoison,
  TooLargeError,
} from '../src/index.ts'
import { createPoison } from './records.ts'

const iteration = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('the command publisher', () => {
  const clock = createManualClock()
  let registry: ReturnType<typeof createMetrics>
  let lines: string[]
  /** Sizes of the batches that the bus was given. */
  let batches: number[]
  /** Answers the oldest batch that waits; null: every batch is answered at once. */
  let waiting: { resolve: () => void; reject: (error: Error) => void }[] | null
  let isRefusing: boolean
  let poison: ReturnType<typeof createPoison>

  beforeEach(() => {
    registry = createMetrics()
    lines = []
    batches = []
    waiting = null
    isRefusing = false
    poison = createPoison()
  })

  async function open(options: Partial<CommandPublisherOptions> = {}) {
    const bus = createMemoryBus({ clock, ids: createSeededIds(1), sender: 'test' })
    await bus.subscribe('job-execute', 'executor-service', {
      async onBatch(messages) {
        if (isRefusing) throw new Error('full')
        batches.push(messages.length)
        if (waiting) await new Promise<void>((resolve, reject) => waiting?.push({ resolve, reject }))
      },
      onPoison: ignorePoison,
    })
    return createCommandPublisher({
      bus,
      clock,
      log: createLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } }),
      metrics: registry.forService('job-service'),
      poison: poison.poison,
      gauge: { name: 'commands_waiting', help: 'Commands that wait' },
      backlogRows: 100,
      backlogBytes: 1e6,
      ...options,
    })
  }

  const command = (n: number, params: Record<string, unknown> = {}): JobExecuteMessage => ({
    executionId: `exe-${n}`,
    jobId: `job-${n}`,
    jobType: 'DUMMY',
    ownerId: 'usr-1',
    version: 1,
    cause: 'manual',
    fireAt: 1000,
    plannedAt: 1000,
    params,
    policy: {} as JobExecuteMessage['policy'],
    priority: 5,
    expiresAt: null,
  })
  const many = (count: number) => Array.from({ length: count }, (_, n) => command(n))
  const answer = async () => {
    waiting?.shift()?.resolve()
    for (let n = 0; n < 3; n++) await iteration()
  }

  it('publishes the commands of an iteration of the event loop together', async () => {
    const publisher = await open()
    for (const one of many(3)) publisher.enqueue(one)
    void Promise.resolve().then(() => publisher.enqueue(command(4)))
    expect(batches).toEqual([])
    await iteration()
    await iteration()
    expect(batches).toEqual([4])
  })

  it('keeps the batches of the queue within rows and bytes, and publishes a larger command alone', async () => {
    const publisher = await open({ batchRows: 3, batchBytes: 20_000, maxInFlight: 1 })
    const sizes = [10, 10, 10, 10, 15_000, 15_000, 50_000, 10]
    for (const [n, size] of sizes.entries()) publisher.enqueue(command(n, { text: 'x'.repeat(size) }))
    await publisher.drain()
    expect(batches).toEqual([3, 2, 1, 1, 1])
  })

  it('has no more publishes of the queue under way than it may', async () => {
    waiting = []
    const publisher = await open({ batchRows: 2, maxInFlight: 1 })
    for (const one of many(5)) publisher.enqueue(one)
    await iteration()
    await iteration()
    expect(batches).toEqual([2])
    await answer()
    await answer()
    expect(batches).toEqual([2, 2, 1])
    const drained = publisher.drain()
    await answer()
    await drained
  })

  it('makes a caller that can wait wait until the queue is within its rows', async () => {
    waiting = []
    const publisher = await open({ backlogRows: 4, batchRows: 2, maxInFlight: 1 })
    await publisher.room()
    for (const one of many(5)) publisher.enqueue(one)
    let hasRoom = false
    const room = publisher.room().then(() => {
      hasRoom = true
    })
    await iteration()
    await iteration()
    expect(hasRoom).toBe(false)
    await answer()
    await room
    waiting = null
  })

  it('is full by rows and by bytes, of what is under way too', async () => {
    waiting = []
    const publisher = await open({ backlogRows: 3, backlogBytes: 30_000 })
    publisher.enqueue(command(1))
    publisher.enqueue(command(2))
    expect(publisher.isFull()).toBe(false)
    publisher.enqueue(command(3))
    await iteration()
    await iteration()
    expect(publisher.isFull()).toBe(true)
    await answer()
    expect(publisher.isFull()).toBe(false)
    publisher.enqueue(command(4, { text: 'x'.repeat(40_000) }))
    expect(publisher.isFull()).toBe(true)
  })

  it('counts params that the commands of a job share once', async () => {
    const publisher = await open({ backlogBytes: 60_000 })
    const params = { text: 'x'.repeat(30_000) }
    for (let n = 0; n < 10; n++) publisher.enqueue(command(n, params))
    expect(publisher.isFull()).toBe(false)
    publisher.enqueue(command(11, { ...params, text: `${params.text}.` }))
    expect(publisher.isFull()).toBe(true)
  })

  it('counts refused commands as waiting for a while, and until the bus takes one', async () => {
    isRefusing = true
    const publisher = await open({ backlogRows: 2, refusedForMs: 5000 })
    for (const one of many(2)) publisher.enqueue(one)
    await publisher.drain()
    expect(publisher.isFull()).toBe(true)
    await publisher.room()
    expect(await registry.render()).toContain('commands_waiting{service="job-service"} 2\n')
    await clock.advance(5000)
    expect(publisher.isFull()).toBe(false)
    expect(await publisher.publish(many(2))).toBe(false)
    expect(publisher.isFull()).toBe(true)
    isRefusing = false
    expect(await publisher.publish(many(1))).toBe(true)
    expect(publisher.isFull()).toBe(false)
    expect(await registry.render()).toContain('commands_waiting{service="job-service"} 0\n')
  })

  it('warns once of a bus that refuses, and says when it takes commands again', async () => {
    isRefusing = true
    const publisher = await open()
    await publisher.publish(many(1))
    await publisher.publish(many(1))
    isRefusing = false
    await publisher.publish(many(1))
    await publisher.publish(many(1))
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      'the bus did not take commands; they are sent again',
      'the bus takes commands again',
    ])
  })

  it('keeps a command once that is too large for the bus, and counts the batch as taken', async () => {
    const refuse: Bus['publish'] = async (_, messages) => {
      throw new TooLargeError([{ index: messages.length - 1, bytes: 2_000_000 }])
    }
    const capabilities = { survivesRestart: true, ordersPerKey: true, storesBeforePublishResolves: false }
    const never = () => Promise.reject(new Error('unused'))
    const bus: Bus = { capabilities, publish: refuse, subscribe: never, close: never }
    const publisher = await open({ bus, backlogRows: 2, refusedForMs: 5000 })
    poison.failNext()
    for (let n = 0; n < 3; n += 1) expect(await publisher.publish(many(2))).toBe(true)
    expect(publisher.isFull()).toBe(false)
    const reason = 'the bus does not take a message of 2000000 bytes'
    expect(poison.kept).toMatchObject([{ topic: 'job-execute', group: 'command publisher', key: 'job-1', reason }])
  })

  it('drains the queue and every publish under way', async () => {
    const publisher = await open({ batchRows: 1, maxInFlight: 1 })
    for (const one of many(4)) publisher.enqueue(one)
    await publisher.drain()
    expect(batches).toEqual([1, 1, 1, 1])
  })
})
