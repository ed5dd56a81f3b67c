import { setTimeout as wait } from 'node:timers/promises'
import { cpuSeconds, inParallel, withBelfry } from './belfry.ts'
import type { Benchmark } from './report.ts'

/** The heap of the creates is collected in the half minute after them, which takes about 0.1 s of CPU; milliseconds. */
const settleMs = 40_000

/** P8: what a Belfry costs that has jobs and nothing to do. */
export const idle: Benchmark = {
  title: 'P8: CPU of an idle Belfry with jobs that lie in the future',
  defaults: { n: 10_000, seconds: 30 },
  async run({ n = 0, seconds = 0 }) {
    return withBelfry(async (belfry, user) => {
      const runAt = new Date(Date.now() + 30 * 86_400_000).toISOString()
      await inParallel(n, 32, async () => {
        const created = await user.call('POST', '/jobs', { jobType: 'DUMMY', runAt })
        if (created.status !== 201) throw new Error(`create: ${created.status} ${JSON.stringify(created.body)}`)
      })
      await wait(settleMs)
      const before = await cpuSeconds(belfry.pid)
      await wait(seconds * 1000)
      const used = (await cpuSeconds(belfry.pid)) - before
      return [
        {
          id: 'P8',
          what: `CPU in ${seconds} s with ${n} future jobs`,
          value: used,
          unit: 's',
          goal: { atMost: (0.2 * seconds) / 30 },
        },
      ]
    })
  },
}
