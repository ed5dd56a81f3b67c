import { describe, expect, it } from 'vitest'
import { createSharedSource } from '../src/index.ts'
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

  it('takes everything at once when it is alone', async () => {
    const { records, sweep } = open(true)
    records.change(1)
    expect(await sweep()).toEqual([1])
  })
})
