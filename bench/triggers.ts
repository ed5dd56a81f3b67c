import { Pool } from 'undici'
import { eventually } from '../proof/belfry-process.ts'
import { cpuSeconds, inParallel, withBelfry } from './belfry.ts'
import { type Benchmark, percentile } from './report.ts'

interface Page {
  data: { status: string }[]
}

/** Towards P5 of proof.md: triggers one a call, from the first call to the last result that the API shows as recorded. */
export const triggers: Benchmark = {
  title: 'towards P5: triggers to recorded results, one trigger a call',
  defaults: { n: 20_000, callers: 64, jobs: 100 },
  async run({ n = 0, callers = 0, jobs = 0 }) {
    return withBelfry(async (belfry, user) => {
      const ids: string[] = []
      await inParallel(jobs, 16, async () => {
        const body = { jobType: 'DUMMY', params: { durationMs: 0 } }
        ids.push((await user.call<{ id: string }>('POST', '/jobs', body)).body.id)
      })
      const pool = new Pool(user.url, { connections: callers, pipelining: 1 })
      const headers = { authorization: `Bearer ${user.token}` }
      const waits: number[] = []
      const trigger = async (index: number) => {
        const sentAt = performance.now()
        const path = `/jobs/${ids[index % jobs]}/trigger`
        const answer = await pool.request({ method: 'POST', path, headers })
        const text = await answer.body.text()
        if (answer.statusCode !== 202) throw new Error(`trigger: ${answer.statusCode} ${text}`)
        waits.push(performance.now() - sentAt)
      }
      await inParallel(Math.min(2000, n), callers, trigger)
      waits.length = 0
      const cpuBefore = await cpuSeconds(belfry.pid)
      const startedAt = performance.now()
      await inParallel(n, callers, trigger)
      const answeredMs = performance.now() - startedAt
      const open = async () => {
        for (const status of ['SCHEDULED', 'RUNNING']) {
          const { body } = await user.call<Page>('GET', `/executions?status=${status}&limit=1`)
          if (body.data.length > 0) return undefined
        }
        return true
      }
      await eventually('every result to be recorded', open, 60_000)
      const recordedMs = performance.now() - startedAt
      const cpu = (await cpuSeconds(belfry.pid)) - cpuBefore
      await pool.close()
      return [
        { id: 'P5-', what: `triggers answered, ${callers} callers`, value: (n / answeredMs) * 1000, unit: '/s' },
        { id: 'P5-', what: `results recorded, ${callers} callers`, value: (n / recordedMs) * 1000, unit: '/s' },
        { id: 'P5-', what: 'answer p50', value: percentile(waits, 0.5), unit: 'ms' },
        { id: 'P5-', what: 'answer p99', value: percentile(waits, 0.99), unit: 'ms' },
        { id: 'P5-', what: 'CPU of Belfry a trigger', value: (cpu / n) * 1e6, unit: 'µs' },
      ]
    })
  },
}
