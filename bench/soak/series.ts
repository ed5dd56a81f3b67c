import { type Judgement, judge, lowestOf, type Tolerance } from './flat.ts'
import type { Sample } from './sample.ts'

interface Series {
  readonly name: string
  readonly unit: string
  readonly of: (sample: Sample) => number
  readonly tolerance: Tolerance
  /** Judged by its lowest points. */
  readonly isByLowest?: true
}

/** Parts of the soak that have a lowest point each: of 90 s in half an hour, some collections of the heap long and nine samples. */
const parts = 20

/** What must be flat, and what counts as flat; bench/README.md gives the reasons. */
const series: readonly Series[] = [
  { name: 'resident size', unit: 'MiB', of: (one) => one.rss, tolerance: { share: 0.05, least: 16 } },
  { name: 'heap in use', unit: 'MiB', of: (one) => one.heap, tolerance: { share: 0.1, least: 16 }, isByLowest: true },
  { name: 'database files', unit: 'MiB', of: (one) => one.db, tolerance: { share: 0.02, least: 4 } },
  { name: 'their logs', unit: 'MiB', of: (one) => one.wal, tolerance: { share: 0.1, least: 16 } },
  { name: 'lateness p50', unit: 'ms', of: (one) => one.lateP50, tolerance: { share: 0.1, least: 1 } },
  { name: 'lateness p99', unit: 'ms', of: (one) => one.lateP99, tolerance: { share: 0.25, least: 2 } },
  { name: 'loop delay p99', unit: 'ms', of: (one) => one.loopDelayP99, tolerance: { share: 0.25, least: 2 } },
  {
    name: 'descriptors',
    unit: '',
    of: (one) => one.descriptors,
    tolerance: { share: 0.1, least: 4 },
    isByLowest: true,
  },
  { name: 'handles', unit: '', of: (one) => one.handles, tolerance: { share: 0.1, least: 8 }, isByLowest: true },
]

/** The columns of the table per minute. */
const columns: readonly (readonly [string, (one: Sample) => string])[] = [
  ['minute', ({ at }) => (at / 60).toFixed(1)],
  ['rss', ({ rss }) => rss.toFixed(0)],
  ['heap', ({ heap }) => heap.toFixed(0)],
  ['db', ({ db }) => db.toFixed(0)],
  ['wal', ({ wal }) => wal.toFixed(0)],
  ['p50', ({ lateP50 }) => lateP50.toFixed(0)],
  ['p99', ({ lateP99 }) => lateP99.toFixed(0)],
  ['loop p99', ({ loopDelayP99 }) => loopDelayP99.toFixed(1)],
  ['busy', ({ loopBusy }) => loopBusy.toFixed(2)],
  ['fds', ({ descriptors }) => String(descriptors)],
  ['handles', ({ handles }) => String(handles)],
  ['relay', ({ relayPending }) => String(relayPending)],
]

const lineOf = (cells: readonly string[]) => cells.map((cell) => cell.padStart(9)).join('')

export const headerLine = (): string => lineOf(columns.map(([name]) => name))
export const sampleLine = (sample: Sample): string => lineOf(columns.map(([, text]) => text(sample)))

/** What a series did. */
export interface SeriesJudgement extends Judgement {
  readonly name: string
  readonly unit: string
}

export function judgementText({ name, unit, middle, growth, allowed, isFlat }: SeriesJudgement): string {
  const change = `${growth < 0 ? 'shrinks' : 'grows'} by ${Math.abs(growth).toFixed(1)}`
  return `${isFlat ? 'flat    ' : 'NOT FLAT'} ${name}: ${middle.toFixed(1)} ${unit}, ${change} in the last two thirds (allowed: ${allowed.toFixed(1)})`
}

/** What each series did. Samples without a value are left out. */
export function judgeAll(samples: readonly Sample[]): readonly SeriesJudgement[] {
  return series.map(({ name, unit, of, tolerance, isByLowest }) => {
    const points = samples.map((one) => ({ at: one.at, value: of(one) })).filter(({ value }) => !Number.isNaN(value))
    return { name, unit, ...judge(isByLowest ? lowestOf(points, parts) : points, tolerance) }
  })
}
