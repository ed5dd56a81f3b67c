import { eventually } from '../proof/belfry-process.ts'
import { readAll } from '../proof/caller.ts'
import { withFleet } from './fleet.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'
import { isAllRecorded, openTriggerLoad } from './trigger-load.ts'

interface Execution {
  attempts: unknown[]
  status: string
  timeline: Record<'plannedAt' | 'sentAt' | 'admittedAt' | 'startedAt' | 'endedAt', string | null>
}

/** The stages of an execution, between two times of its timeline. All processes of the run share one machine's clock. */
const stages = [
  ['trigger stored -> command sent', 'plannedAt', 'sentAt'],
  ['command sent -> stored and admitted', 'sentAt', 'admittedAt'],
  ['admitted -> started', 'admittedAt', 'startedAt'],
  ['started -> ended', 'startedAt', 'endedAt'],
] as const

function stageFigures(executions: readonly Execution[]): Figure[] {
  return stages.map(([what, from, to]) => {
    const spans = executions
      .map(({ timeline }) => Date.parse(timeline[to] ?? '') - Date.parse(timeline[from] ?? ''))
      .filter((ms) => !Number.isNaN(ms))
    return { id: 'stage', what: `${what}, p50`, value: percentile(spans, 0.5), unit: 'ms' }
  })
}

/** Towards P5 in the distributed mode: from the first call to the last result that the API shows as recorded. */
export const distributedTriggers: Benchmark = {
  title: 'distributed: triggers to recorded results, one trigger a call, and where the time goes',
  defaults: { n: 5_000, callers: 64, jobs: 100, instances: 1, profile: 0 },
  flags: ['profile'],
  async run({ n = 0, callers = 0, jobs = 0, instances: each = 1, profile }) {
    const instances = { 'job-service': each, 'executor-service': each }
    return withFleet({ instances, profiles: profile }, async ({ user, measure }) => {
      const load = await openTriggerLoad(user, jobs, callers)
      const whenRecorded = () => eventually('every result to be recorded', () => isAllRecorded(user), 60_000 + n * 30)
      await load.run(Math.min(500, n))
      await whenRecorded()
      let answeredMs = 0
      const begun = performance.now()
      await measure('triggers', n, async () => {
        answeredMs = await load.run(n)
        await whenRecorded()
      })
      const recordedMs = performance.now() - begun
      await load.close()
      const runs = await readAll<Execution>(user, '/executions')
      const others = runs.filter(({ status, attempts }) => status !== 'SUCCESS' || attempts.length !== 1)
      return [
        { id: 'P5-', what: `triggers answered, ${callers} callers`, value: (n / answeredMs) * 1000, unit: '/s' },
        { id: 'P5-', what: `results recorded, ${callers} callers`, value: (n / recordedMs) * 1000, unit: '/s' },
        ...load.figures(),
        { id: 'P5-', what: 'not run exactly once', value: others.length, unit: 'runs', goal: { atMost: 0 } },
        ...stageFigures(runs),
      ]
    })
  },
}
