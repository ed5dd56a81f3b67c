import { setTimeout as wait } from 'node:timers/promises'
import { readAll } from '../proof/caller.ts'
import { inParallel, withBelfry } from './belfry.ts'
import { type Benchmark, percentile } from './report.ts'

interface Execution {
  jobId: string
  fireAt: string
  status: string
  latenessMs: number | null
}

/** P4: many crons on every second; each second of each cron has exactly one run. */
export const crons: Benchmark = {
  title: 'P4: crons on every second: missed, doubled, lateness',
  defaults: { n: 200, seconds: 30 },
  async run({ n = 0, seconds = 0 }) {
    return withBelfry(async (_belfry, user) => {
      await inParallel(n, 16, async () => {
        const body = { jobType: 'DUMMY', params: { durationMs: 0 }, schedule: '* * * * * *' }
        const created = await user.call('POST', '/jobs', body)
        if (created.status !== 201) throw new Error(`create: ${created.status} ${JSON.stringify(created.body)}`)
      })
      const from = Math.ceil(Date.now() / 1000) * 1000 + 6000
      const to = from + seconds * 1000
      await wait(to + 2000 - Date.now())
      const runs = (await readAll<Execution>(user, '/executions')).filter((one) => {
        const fireAt = Date.parse(one.fireAt)
        return fireAt >= from && fireAt < to && one.status === 'SUCCESS'
      })
      const fires = new Set(runs.map((one) => `${one.jobId} ${one.fireAt}`))
      const late = runs.map((one) => one.latenessMs ?? Number.NaN)
      return [
        { id: 'P4', what: 'missed', value: n * seconds - fires.size, unit: 'runs', goal: { atMost: 0 } },
        { id: 'P4', what: 'doubled', value: runs.length - fires.size, unit: 'runs', goal: { atMost: 0 } },
        { id: 'P4', what: 'start lateness p50', value: percentile(late, 0.5), unit: 'ms' },
        { id: 'P4', what: 'start lateness p99', value: percentile(late, 0.99), unit: 'ms', goal: { atMost: 15 } },
      ]
    })
  },
}
