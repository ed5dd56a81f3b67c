import { setTimeout as wait } from 'node:timers/promises'
import { eventually } from '../proof/belfry-process.ts'
import { readAll } from '../proof/caller.ts'
import { allEnded, withFleet } from './fleet.ts'
import { createOneShots } from './lateness.ts'
import { type Benchmark, percentile } from './report.ts'

interface Execution {
  jobId: string
  status: string
  latenessMs: number | null
  attempts: unknown[]
}

/** P2: P1 with one process per service on the real servers. */
export const distributedLateness: Benchmark = {
  title: 'P2: start lateness of one-shots at random milliseconds, distributed',
  defaults: { n: 2_000, seconds: 20, schedulers: 1, executors: 1, profile: 0 },
  flags: ['profile'],
  async run({ n = 0, seconds = 0, schedulers = 1, executors = 1, profile }) {
    const instances = { 'scheduler-service': schedulers, 'executor-service': executors }
    return withFleet({ instances, profiles: profile }, async ({ fleet, user, measure }) => {
      const body = { jobType: 'DUMMY', params: { durationMs: 0 } }
      // An executor hears of a fire time 4.6 s before it; a creation takes longer than standalone.
      const span = await createOneShots(user, n, seconds, body, 8_000 + n * 10)
      await wait(Math.max(0, span.start - 6_000 - Date.now()))
      const recorded = async () => {
        const runs = await readAll<Execution>(user, '/executions')
        return runs.filter(({ status }) => status === 'SUCCESS').length >= n ? runs : undefined
      }
      await measure('one-shots', n, async () => {
        await wait(Math.max(0, span.end - Date.now()))
        await allEnded(fleet, n, 60_000)
      })
      const runs = await eventually('every one-shot to be recorded', recorded, 60_000)
      const late = runs.map((one) => one.latenessMs ?? Number.NaN)
      const once = runs.filter(({ attempts }) => attempts.length === 1).length
      const early = late.filter((ms) => ms < 0).length
      return [
        { id: 'P2', what: 'start lateness p50', value: percentile(late, 0.5), unit: 'ms', goal: { atMost: 2 } },
        { id: 'P2', what: 'start lateness p99', value: percentile(late, 0.99), unit: 'ms', goal: { atMost: 8 } },
        { id: 'P2', what: 'start lateness, largest', value: percentile(late, 1), unit: 'ms' },
        { id: 'P2', what: 'started early', value: early, unit: 'runs', goal: { atMost: 0 } },
        { id: 'P2', what: 'not run exactly once', value: Math.abs(n - once), unit: 'runs', goal: { atMost: 0 } },
      ]
    })
  },
}
