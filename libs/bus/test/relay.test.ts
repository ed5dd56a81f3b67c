import {
  createLog,
  createManualClock,
  createMetrics,
  createSeededIds,
  type ManualClock,
  type MetricsRegistry,
} from '@belfry/service'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Bus,
  createMemoryBus,
  createRelay,
  type IncomingMessage,
  ignorePoison,
  type Relay,
  type RelayOptions,
  TooLargeError,
} from '../src/index.ts'
import { createPoison, createRecords, rowBytes } from './records.ts'

type Status = IncomingMessage<'job-status'>

describe('a relay', () => {
  let clock: ManualClock
  let bus: Bus
  let metricsRegistry: MetricsRegistry
  let records: ReturnType<typeof createRecords>
  let poison: ReturnType<typeof createPoison>
  let relay: Relay<'job-status', number>
  let batches: string[][]
  let answer: () => Promise<void>

  beforeEach(async () => {
    clock = createManualClock()
    metricsRegistry = createMetrics()
    records = createRecords()
    poison = createPoison()
    batches = []
    answer = async () => undefined
    bus = createMemoryBus({ clock, ids: createSeededIds(1), sender: 'test' })
    await bus.subscribe('job-status', 'job-service', {
      onBatch: async (batch: readonly Status[]) => {
        batches.push(batch.map(({ key, value }) => `${key}:${value.seq}`))
        await answer()
      },
      onPoison: ignorePoison,
    })
  })
  afterEach(() => relay.stop())

  async function start(options: Partial<RelayOptions<'job-status', number>> = {}) {
    const log = createLog({ level: 'silent' })
    const metrics = metricsRegistry.forService('executor-service')
    const topic = 'job-status'
    const stores = { source: records.source, poison: poison.poison }
    relay = createRelay({ name: 'status', topic, bus, clock, log, metrics, ...stores, ...options })
    relay.start()
    await clock.advance(0)
  }

  const metric = async (name: string) =>
    (await metricsRegistry.render()).match(
      new RegExp(`^${name}\\{service="executor-service",relay="status"\\} (.*)$`, 'm'),
    )?.[1]

  it('publishes at once what an earlier process left', async () => {
    records.change(1)
    records.change(2)
    await start()
    expect(batches).toEqual([['job-1:1', 'job-2:1']])
    expect(records.unpublished()).toEqual([])
  })

  it('waits 20 ms for further offers, and sends the newest state of each record', async () => {
    await start()
    relay.offer([records.change(1), records.change(2)])
    await clock.advance(10)
    relay.offer([records.change(1)])
    await clock.advance(9)
    expect(batches).toEqual([])
    await clock.advance(1)
    expect(batches).toEqual([['job-1:2', 'job-2:1']])
    expect(records.unpublished()).toEqual([])
  })

  it('does not wait when 200 are offered, and does not read them', async () => {
    await start()
    const reads = records.reads.length
    relay.offer(Array.from({ length: 200 }, (_, n) => records.change(n)))
    await clock.advance(0)
    expect(batches.map((batch) => batch.length)).toEqual([200])
    expect(records.unpublished()).toEqual([])
    expect(records.reads.length).toBe(reads)
  })

  it('sends the newest state when offers come in the wrong order', async () => {
    await start()
    const [older, newer] = [records.change(1), records.change(1)]
    relay.offer([newer])
    relay.offer([older])
    await clock.advance(20)
    expect(batches).toEqual([['job-1:2']])
  })

  it('holds no more bytes than its bound, and leaves the rest to the sweep', async () => {
    let release: () => void = () => undefined
    await start({ waitingBytes: 5 * rowBytes, batchBytes: 3 * rowBytes })
    answer = () =>
      new Promise((resolve) => {
        release = resolve
      })
    relay.offer([records.change(0)])
    await clock.advance(20)
    relay.offer(Array.from({ length: 12 }, (_, n) => records.change(n + 1)))
    expect(await metric('belfry_relay_pending')).toBe('5')
    answer = async () => undefined
    release()
    await clock.advance(2000)
    expect(records.unpublished()).toEqual([])
    expect(Math.max(...batches.map((batch) => batch.length))).toBe(3)
    expect(Math.max(...records.reads)).toBe(3)
  })

  it('has one publish under way, and sends afterwards what came meanwhile', async () => {
    let release: () => void = () => undefined
    await start()
    answer = () =>
      new Promise((resolve) => {
        release = resolve
      })
    relay.offer([records.change(1)])
    await clock.advance(20)
    relay.offer([records.change(1), ...Array.from({ length: 300 }, (_, n) => records.change(n + 10))])
    await clock.advance(5000)
    expect(batches).toEqual([['job-1:1']])
    answer = async () => undefined
    release()
    await clock.advance(0)
    expect(batches.map((batch) => batch.length)).toEqual([1, 301])
    expect(records.unpublished()).toEqual([])
  })

  it('lets the rest of a large backlog wait no longer than 20 ms', async () => {
    let release: () => void = () => undefined
    await start({ lingerRows: 4, batchRows: 3 })
    answer = () =>
      new Promise((resolve) => {
        release = resolve
      })
    relay.offer([records.change(0)])
    await clock.advance(20)
    relay.offer([1, 2, 3, 4, 5].map((n) => records.change(n)))
    answer = async () => undefined
    release()
    await clock.advance(20)
    expect(batches.map((batch) => batch.length)).toEqual([1, 3, 2])
  })

  it('sends the newest state after a failure, not the one that failed', async () => {
    await start()
    answer = async () => {
      relay.offer([records.change(1)])
      throw new Error('the disk is full')
    }
    relay.offer([records.change(1), records.change(2)])
    await clock.advance(20)
    answer = async () => undefined
    await clock.advance(1000)
    expect(batches).toEqual([
      ['job-1:1', 'job-2:1'],
      ['job-1:2', 'job-2:1'],
    ])
  })

  it('marks what it sent, not what is newest', async () => {
    await start()
    answer = async () => void records.change(1)
    relay.offer([records.change(1)])
    await clock.advance(20)
    expect(records.marks).toEqual([[{ rowId: 1, seq: 1 }]])
    answer = async () => undefined
    await clock.advance(1000)
    expect(batches).toEqual([['job-1:1'], ['job-1:2']])
  })

  it('finds every second what was not offered', async () => {
    await start()
    records.change(1)
    await clock.advance(1000)
    expect(batches).toEqual([['job-1:1']])
    records.repeat(1)
    await clock.advance(1000)
    expect(batches).toEqual([['job-1:1'], ['job-1:1']])
  })

  it('publishes again a state that is offered again', async () => {
    await start()
    relay.offer([records.change(1)])
    await clock.advance(20)
    relay.offer([records.repeat(1)])
    await clock.advance(20)
    expect(batches).toEqual([['job-1:1'], ['job-1:1']])
    expect(records.unpublished()).toEqual([])
  })

  it('reads page after page while there is more', async () => {
    for (let n = 0; n < 25; n += 1) records.change(n)
    await start({ pageRows: 10, batchRows: 4 })
    expect(records.reads).toEqual([10, 10, 5])
    expect(batches.map((batch) => batch.length)).toEqual([4, 4, 2, 4, 4, 2, 4, 1])
  })

  it('keeps the marks when the bus does not take them, and tries again within a second', async () => {
    await start()
    answer = () => Promise.reject(new Error('the disk is full'))
    relay.offer([records.change(1)])
    await clock.advance(20)
    relay.offer([records.change(2)])
    await clock.advance(500)
    expect(batches).toEqual([['job-1:1']])
    expect(records.marks).toEqual([])
    answer = async () => undefined
    await clock.advance(500)
    expect(batches.at(-1)).toEqual(['job-1:1', 'job-2:1'])
    expect(records.unpublished()).toEqual([])
    relay.offer([records.change(3)])
    await clock.advance(20)
    expect(batches.at(-1)).toEqual(['job-3:1'])
  })

  it('goes on when marks cannot be written or rows not be read', async () => {
    await start()
    records.fail(1)
    relay.offer([records.change(1)])
    await clock.advance(20)
    expect(records.unpublished()).toEqual([1])
    records.fail(1)
    await clock.advance(3000)
    expect(records.unpublished()).toEqual([])
  })

  it('leaves to the sweep what it has no room for', async () => {
    await start({ waitingRows: 3 })
    relay.offer(Array.from({ length: 10 }, (_, n) => records.change(n)))
    expect(await metric('belfry_relay_pending')).toBe('3')
    await clock.advance(20)
    expect(batches).toEqual([['job-0:1', 'job-1:1', 'job-2:1']])
    await clock.advance(4000)
    expect(batches.flat()).toHaveLength(10)
    expect(records.unpublished()).toEqual([])
  })

  it('shows how many wait and for how long', async () => {
    await start()
    answer = () => Promise.reject(new Error('no'))
    relay.offer([records.change(1), records.change(2)])
    await clock.advance(2500)
    expect(await metric('belfry_relay_pending')).toBe('2')
    expect(await metric('belfry_relay_oldest_seconds')).toBe('2.5')
    answer = async () => undefined
    await clock.advance(1000)
    expect(await metric('belfry_relay_pending')).toBe('0')
    expect(await metric('belfry_relay_oldest_seconds')).toBe('0')
  })

  /** The bus takes all but these keys, which are too large for it. */
  function refusing(...keys: readonly string[]): Bus {
    return {
      ...bus,
      async publish(topic, messages) {
        const isRefused = ({ key }: { key: string }) => keys.includes(key)
        await bus.publish(
          topic,
          messages.filter((one) => !isRefused(one)),
        )
        const refused = messages.flatMap((one, index) => (isRefused(one) ? [{ index, bytes: 2_000_000 }] : []))
        if (refused.length > 0) throw new TooLargeError(refused)
      },
    }
  }

  it('keeps a state that is too large for the bus, marks it, and publishes the others', async () => {
    await start({ bus: refusing('job-2') })
    relay.offer([records.change(1), records.change(2), records.change(3)])
    await clock.advance(20)
    expect(batches).toEqual([['job-1:1', 'job-3:1']])
    expect(records.unpublished()).toEqual([])
    const reason = 'the bus does not take a message of 2000000 bytes'
    expect(poison.kept).toMatchObject([{ topic: 'job-status', group: 'relay status', key: 'job-2', reason }])
    await clock.advance(5000)
    expect(poison.kept).toHaveLength(1)
  })

  it('marks nothing as published that is too large and could not be kept', async () => {
    await start({ bus: refusing('job-2') })
    poison.failNext()
    relay.offer([records.change(1), records.change(2)])
    await clock.advance(20)
    expect(records.unpublished()).toEqual([1, 2])
    await clock.advance(1000)
    expect([records.unpublished(), poison.kept.length]).toEqual([[], 1])
  })

  it('publishes and marks what waits before it stops, and nothing afterwards', async () => {
    await start()
    relay.offer([records.change(1)])
    await Promise.all([relay.stop(), relay.stop()])
    expect(batches).toEqual([['job-1:1']])
    expect(records.unpublished()).toEqual([])
    relay.offer([records.change(2)])
    await clock.advance(5000)
    expect(batches).toHaveLength(1)
    expect(clock.pending()).toBe(0)
  })

  it('stops although the bus does not take what waits', async () => {
    await start()
    answer = () => Promise.reject(new Error('no'))
    relay.offer([records.change(1)])
    await relay.stop()
    expect(records.unpublished()).toEqual([1])
  })

  it('runs once on request, also before it was started', async () => {
    records.change(1)
    relay = createRelay({
      name: 'status',
      topic: 'job-status',
      bus,
      clock,
      log: createLog({ level: 'silent' }),
      metrics: metricsRegistry.forService('executor-service'),
      source: records.source,
      poison: poison.poison,
    })
    await relay.runOnce()
    expect(batches).toEqual([['job-1:1']])
    records.fail(1)
    await expect(relay.runOnce()).rejects.toThrow('the disk is full')
  })
})
