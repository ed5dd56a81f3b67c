import { eventually } from '../proof/belfry-process.ts'
import { cpuSeconds, withBelfry } from './belfry.ts'
import type { Benchmark } from './report.ts'
import { isAllRecorded, openTriggerLoad } from './trigger-load.ts'

/** Towards P5: triggers one a call, from the first call to the last result that the API shows as recorded. */
export const triggers: Benchmark = {
  title: 'towards P5: triggers to recorded results, one trigger a call',
  defaults: { n: 20_000, callers: 64, jobs: 100 },
  async run({ n = 0, callers = 0, jobs = 0 }) {
    return withBelfry(async (belfry, user) => {
      const load = await openTriggerLoad(user, jobs, callers)
      await load.run(Math.min(2000, n))
      const cpuBefore = await cpuSeconds(belfry.pid)
      const startedAt = performance.now()
      const answeredMs = await load.run(n)
      await eventually('every result to be recorded', () => isAllRecorded(user), 60_000)
      const recordedMs = performance.now() - startedAt
      const cpu = (await cpuSeconds(belfry.pid)) - cpuBefore
      await load.close()
      return [
        { id: 'P5-', what: `triggers answered, ${callers} callers`, value: (n / answeredMs) * 1000, unit: '/s' },
        { id: 'P5-', what: `results recorded, ${callers} callers`, value: (n / recordedMs) * 1000, unit: '/s' },
        ...load.figures(),
        { id: 'P5-', what: 'CPU of Belfry a trigger', value: (cpu / n) * 1e6, unit: 'µs' },
      ]
    })
  },
}
