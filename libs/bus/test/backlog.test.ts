import { describe, expect, it } from 'vitest'
import { createBacklog, type Unpublished } from '../src/backlog.ts'

type Row = Unpublished<'job-changes', number>

const row = (rowId: number, neededAt?: number, seq = 1): Row =>
  ({ rowId, seq, key: `job-${rowId}`, size: 10, value: {}, ...(neededAt !== undefined && { neededAt }) }) as Row

const open = (rows = 100) => createBacklog<'job-changes', number>({ rows, bytes: 100_000 }, (at) => at <= 1000)
const idsOf = (rows: readonly Row[]) => rows.map(({ rowId }) => rowId)
const all = { rows: 100, bytes: 100_000 }

describe('the backlog of a relay', () => {
  it('gives out what is needed soon before what is needed later', () => {
    const backlog = open()
    backlog.add([row(1, 5000), row(2, 5000), row(3, 900), row(4)], 0)
    expect(idsOf(backlog.take({ rows: 3, bytes: 100_000 }))).toEqual([3, 4, 1])
    expect([backlog.size(), backlog.underWay()]).toEqual([1, 3])
    backlog.done()
    expect(idsOf(backlog.take(all))).toEqual([2])
  })

  it('leaves an eighth of a batch to what is needed later', () => {
    const backlog = open()
    backlog.add([row(100, 5000), row(101, 5000), ...Array.from({ length: 20 }, (_, n) => row(n))], 0)
    expect(idsOf(backlog.take({ rows: 8, bytes: 100_000 }))).toEqual([0, 1, 2, 3, 4, 5, 6, 100])
  })

  it('moves a record forward when its newer state is needed sooner', () => {
    const backlog = open()
    backlog.add([row(1, 5000), row(2, 5000)], 0)
    expect(backlog.add([row(2, undefined, 2)], 1)).toBe(1)
    const taken = backlog.take({ rows: 1, bytes: 100_000 })
    expect(taken.map(({ rowId, seq }) => [rowId, seq])).toEqual([[2, 2]])
    expect(backlog.oldest()).toBe(0)
  })

  it('has everything in its order again after a batch that was not published', () => {
    const backlog = open()
    backlog.add([row(1, 5000), row(2), row(3)], 0)
    backlog.take({ rows: 2, bytes: 100_000 })
    backlog.add([row(2, undefined, 2), row(4)], 5)
    backlog.putBack()
    expect(backlog.take(all).map(({ rowId, seq }) => [rowId, seq])).toEqual([
      [2, 2],
      [3, 1],
      [4, 1],
      [1, 1],
    ])
  })

  it('refuses what is beyond its bounds, whenever it is needed', () => {
    const backlog = open(2)
    expect(backlog.add([row(1, 5000), row(2), row(3)], 0)).toBe(2)
  })
})
