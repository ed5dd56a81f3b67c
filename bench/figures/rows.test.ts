import { describe, expect, it } from 'vitest'
import type { Figure } from '../report.ts'
import { notMeasured, type PeerResult, rowsOf, tableText } from './rows.ts'

const peers = new Map<string, PeerResult>([
  ['bullmq-64', { name: 'BullMQ 6.7.0', setting: '1 connection', unit: '/s', values: { rate: 20_000 } }],
])
const stored = (value: number, more: Partial<Figure> = {}): Figure => ({
  id: 'P6',
  what: 'jobs a second',
  value,
  unit: '/s',
  ...more,
})
const twice = { key: 'bullmq-64.rate', ratio: { atLeast: 2 } }

describe('rows of the table of figures', () => {
  it('shows the ratio to the peer and judges by it', () => {
    expect(rowsOf([stored(50_000, { peers: [twice] })], peers)).toMatchObject([
      { value: 50_000, goal: '>= 2 x bullmq-64', met: true, peer: 'BullMQ 6.7.0: 20000 /s', ratio: 2.5 },
    ])
    expect(rowsOf([stored(30_000, { peers: [twice] })], peers)).toMatchObject([{ met: false, ratio: 1.5 }])
  })

  it('says that a goal is open while its peer is not measured', () => {
    expect(rowsOf([stored(50_000, { peers: [twice] })], new Map())).toMatchObject([
      { met: null, peer: 'not measured', ratio: null },
    ])
  })

  it('asks for both where a figure has a goal and a peer', () => {
    const both = (value: number) => rowsOf([stored(value, { goal: { atLeast: 60_000 }, peers: [twice] })], peers)
    expect(both(50_000)).toMatchObject([{ goal: '>= 60000 and >= 2 x bullmq-64', met: false }])
    expect(both(70_000)).toMatchObject([{ met: true }])
  })

  it('has a row for each peer of a figure', () => {
    const rows = rowsOf([stored(50_000, { peers: [twice, { key: 'bullmq-64.rate' }] })], peers)
    expect(rows.map(({ met, ratio }) => [met, ratio])).toEqual([
      [true, 2.5],
      [null, 2.5],
    ])
  })

  it('leaves out what only explains a figure, unless all is asked for', () => {
    const cpu = stored(40, { what: 'CPU', unit: 'µs' })
    expect(rowsOf([cpu], peers)).toEqual([])
    expect(rowsOf([cpu], peers, true)).toMatchObject([{ what: 'CPU', met: null, peer: '', ratio: null }])
  })

  it('counts a value that is missing as a goal missed', () => {
    expect(rowsOf([stored(Number.NaN, { goal: { atMost: 4 } })], peers)).toMatchObject([{ met: false }])
  })
})

describe('the table as text', () => {
  it('has a line for each row, in columns', () => {
    const rows = [...rowsOf([stored(50_000, { peers: [twice] })], peers), notMeasured('P2', 'takeover', 'no Kafka')]
    const lines = tableText(rows).split('\n')
    expect(lines).toHaveLength(4)
    expect(new Set(lines.map(({ length }) => length)).size).toBe(1)
    expect(lines[2]).toContain('| 50000 /s')
    expect(lines[2]).toContain('| yes |')
    expect(lines[3]).toContain('not measured')
    expect(lines[3]).toContain('no Kafka')
  })
})
