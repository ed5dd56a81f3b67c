import { eventually } from '../proof/belfry-process.ts'
import { withBelfry } from './belfry.ts'
import { openClient, storeBatches } from './client-load.ts'
import { measureStarts, type Starts } from './lateness.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'
import { isRelayed } from './throughput.ts'

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

/** Lateness is in whole milliseconds, so that less than one cannot be told from one. */
const p99Of = ({ lateMs }: Starts) => Math.max(1, percentile(lateMs, 0.99))

function figuresOf(alone: Starts, full: Starts, jobs: number): Figure[] {
  const beside = ` with ${jobs} stored jobs`
  const figure = (what: string, value: number, unit: string, atMost?: number): Figure => ({
    id: 'P3',
    what: `${what}${beside}`,
    value,
    unit,
    ...(atMost !== undefined && { goal: { atMost } }),
  })
  return [
    figure('start lateness p50', percentile(full.lateMs, 0.5), 'ms'),
    figure('start lateness p99', percentile(full.lateMs, 0.99), 'ms'),
    figure('p99 by p99 without stored jobs', p99Of(full) / p99Of(alone), 'x', 1.05),
    figure('mean by mean without stored jobs', mean(full.lateMs) / mean(alone.lateMs), 'x'),
    figure('not run exactly once', full.notOnce, 'runs', 0),
  ]
}

/** P3: start lateness in one Belfry, first with no other jobs, then beside many that are due in a day. */
export const stored: Benchmark = {
  title: 'P3: start lateness of one-shots beside 200,000 (and 1,000,000) stored jobs',
  defaults: { n: 2_000, seconds: 20, jobs: 200_000, more: 0 },
  run: ({ n = 0, seconds = 0, jobs = 0, more = 0 }) =>
    withBelfry(async (belfry, user) => {
      // The first run of a process compiles what the others use.
      await measureStarts(user, Math.min(n, 200), 2, 0)
      const alone = await measureStarts(user, n, seconds, 0)
      const figures: Figure[] = []
      let there = 0
      for (const count of [jobs, more].filter((one) => one > 0)) {
        await storeBatches(openClient(user), count - there, 1000, 8)
        there = count
        await eventually('the stored jobs to be in the scheduler', () => isRelayed(belfry.url), 120_000)
        figures.push(...figuresOf(alone, await measureStarts(user, n, seconds, 0), count))
      }
      return figures
    }),
}
