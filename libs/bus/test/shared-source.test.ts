import { createLog, createManualClock, createMetrics, createSeededIds } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createMemoryBus, createRelay, createSharedSource, ignorePoison } from '../src/index.ts'
import { createRecords, rowBytes } from './records.ts'

describe('the source of one of several relays', () => {
  const open = (isSole = false) => {
    const records = createRecords()
    const source = createSharedSource<'job-status', number>(records.source, () => isSole)
    const sweep = async (rows = 10) =>
      (await source.readUnpublished(rows, rows * rowBytes)).rows.map(({ rowId }) => rowId)
    return { records, source, sweep }
  }

  it('takes only what the sweep before has found too: the writer publishes the rest by itself', async () => {
    const { records, source, sweep } = open()
    records.change(1)
    expect(await sweep()).toEqual([])
    records.change(2)
    expect(await sweep()).toEqual([1])
    await source.markPublished([{ rowId: 1, seq: 1 }])
    records.change(1)
    expect(await sweep()).toEqual([1, 2])
  })

  it('takes a record that another writer has published between two sweeps no more', async () => {
    const { records, source, sweep } = open()
    records.change(1)
    await sweep()
    await source.markPublished([{ rowId: 1, seq: 1 }])
    expect(await sweep()).toEqual([])
    records.change(1)
    expect(await sweep()).toEqual([])
    expect(await sweep()).toEqual([1])
  })

  it('takes a backlog at once, page by page', async () => {
    const { records, sweep } = open()
    for (let n = 1; n <= 5; n++) records.change(n)
    expect(await sweep(2)).toEqual([1, 2])
  })

  it('publishes nothing a second time that its writer is about to publish, and all that a dead writer has left', async () => {
    const { records } = open()
    const clock = createManualClock()
    const published: string[] = []
    const bus = createMemoryBus({ clock, ids: createSeededIds(1), sender: 'test' })
    await bus.subscribe('job-status', 'job-service', {
      onBatch: async (batch) => void published.push(...batch.map(({ key, value }) => `${key}:${value.seq}`)),
      onPoison: ignorePoison,
    })
    const [writer, other] = ['writer', 'other'].map((name) => {
      const source = createSharedSource<'job-status', number>(records.source, () => false)
      const metrics = createMetrics().forService('executor-service')
      return createRelay({
        name,
        topic: 'job-status',
        bus,
        clock,
        log: createLog({ level: 'silent' }),
        metrics,
        poison: { keep: async () => {} },
        source,
      })
    })
    writer?.start()
    other?.start()
    await clock.advance(0)
    for (let n = 1; n <= 50; n++) {
      writer?.offer([records.change(n)])
      await other?.runOnce()
      await clock.advance(20)
    }
    expect(published).toHaveLength(50)
    records.change(51)
    await clock.advance(2000)
    expect(published.slice(50)).toEqual(['job-51:1'])
    await Promise.all([writer?.stop(), other?.stop(), bus.close()])
  })

  it('takes everything at once when it is alone', async () => {
    const { records, sweep } = open(true)
    records.change(1)
    expect(await sweep()).toEqual([1])
  })
})
