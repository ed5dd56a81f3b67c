import { createLog, createManualClock, createMetrics, createSeededIds } from '@belfry/service'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemoryBus, createRelay, ignorePoison, type PublishedMark, type Unpublished } from '../src/index.ts'
import { createPoison, createRecords } from './records.ts'

type Row = Unpublished<'job-status', number>

type Step =
  | { do: 'change'; n: number; offered: boolean }
  | { do: 'repeat'; n: number; offered: boolean }
  | { do: 'offer late'; which: number }
  | { do: 'bus fails'; times: number }
  | { do: 'store fails'; times: number }
  | { do: 'wait'; ms: number }
  | { do: 'restart' }

const n = fc.integer({ min: 1, max: 8 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('change' as const), n, offered: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('repeat' as const), n, offered: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('offer late' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('bus fails' as const), times: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('store fails' as const), times: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 1500 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
)

/** Runs the steps against a relay with tiny limits, heals everything, and gives back what reached the other side. */
async function play(steps: readonly Step[]) {
  const clock = createManualClock()
  const records = createRecords()
  const bus = createMemoryBus({ clock, ids: createSeededIds(1), sender: 'test' })
  const received = new Map<number, number>()
  const sizes: number[] = []
  const unsent: PublishedMark<number>[] = []
  let busFailures = 0
  let atWork = 0
  await bus.subscribe('job-status', 'job-service', {
    onBatch: async (batch) => {
      sizes.push(batch.length)
      atWork += 1
      await new Promise<void>((resolve) => clock.callAfter(15, resolve))
      atWork -= 1
      if (busFailures-- > 0) throw new Error('the disk is full')
      busFailures = 0
      for (const { key, value } of batch) {
        const record = Number(key.slice('job-'.length))
        received.set(record, Math.max(received.get(record) ?? 0, value.seq))
      }
    },
    onPoison: ignorePoison,
  })
  const source = {
    ...records.source,
    async markPublished(marks: readonly PublishedMark<number>[]) {
      unsent.push(...marks.filter((mark) => mark.seq > (received.get(mark.rowId) ?? 0)))
      await records.source.markPublished(marks)
    },
  }
  const openRelay = () => {
    const log = createLog({ level: 'silent' })
    const metrics = createMetrics().forService('executor-service')
    const limits = { lingerRows: 4, batchRows: 3, pageRows: 2, waitingRows: 5 }
    const { poison } = createPoison()
    const relay = createRelay({
      name: 'status',
      topic: 'job-status',
      bus,
      clock,
      log,
      metrics,
      source,
      poison,
      ...limits,
    })
    relay.start()
    return relay
  }

  let relay = openRelay()
  const states: Row[] = []
  const offer = (row: Row, offered: boolean) => {
    states.push(row)
    if (offered) relay.offer([row])
  }
  const act = async (one: Step) => {
    switch (one.do) {
      case 'change':
        return offer(records.change(one.n), one.offered)
      case 'repeat':
        return records.newest.has(one.n) ? offer(records.repeat(one.n), one.offered) : undefined
      case 'offer late':
        return states.length > 0 ? relay.offer([states[one.which % states.length] as Row]) : undefined
      case 'bus fails':
        busFailures = one.times
        return
      case 'store fails':
        return records.fail(one.times)
      case 'wait':
        return clock.advance(one.ms)
      case 'restart': {
        const stopped = relay.stop()
        await clock.advance(200)
        await stopped
        relay = openRelay()
      }
    }
  }
  for (const one of steps) {
    await act(one)
    expect(atWork).toBeLessThanOrEqual(1)
  }
  busFailures = 0
  records.fail(0)
  await clock.advance(10_000)
  const stopped = relay.stop()
  await clock.advance(200)
  await stopped
  return { records, received, sizes, unsent, pendingCalls: clock.pending() }
}

describe('a relay, whatever is offered, lost, repeated or refused', () => {
  it('publishes the newest state of every record in the end, and marks only what arrived', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { records, received, sizes, unsent, pendingCalls } = await play(steps)
        expect(unsent).toEqual([])
        expect(records.unpublished()).toEqual([])
        for (const [record, seq] of records.newest) expect(received.get(record)).toBe(seq)
        for (const size of sizes) expect(size).toBeLessThanOrEqual(3)
        expect(pendingCalls).toBe(0)
      }),
      { numRuns: 150 },
    )
  })
})
