import { Pool } from 'undici'
import type { Caller } from '../proof/caller.ts'
import { inParallel } from './belfry.ts'
import { type Figure, percentile } from './report.ts'

interface Page {
  data: { status: string }[]
}

/** Callers that trigger no-op jobs of one user, one trigger a call. */
export interface TriggerLoad {
  /** Resolves once `n` triggers are answered, to how long that took, milliseconds. Rejects at the first one that is refused. */
  run(n: number): Promise<number>
  /** The figures of the last run. */
  figures(): Figure[]
  close(): Promise<void>
}

/** Creates `jobs` jobs that do nothing, and the connections of `callers` callers. */
export async function openTriggerLoad(user: Caller, jobs: number, callers: number): Promise<TriggerLoad> {
  const ids: string[] = []
  await inParallel(jobs, 16, async () => {
    const body = { jobType: 'DUMMY', params: { durationMs: 0 } }
    ids.push((await user.call<{ id: string }>('POST', '/jobs', body)).body.id)
  })
  const pool = new Pool(user.url, { connections: callers, pipelining: 1 })
  const headers = { authorization: `Bearer ${user.token}` }
  const waits: number[] = []

  async function trigger(index: number): Promise<void> {
    const sentAt = performance.now()
    const answer = await pool.request({ method: 'POST', path: `/jobs/${ids[index % jobs]}/trigger`, headers })
    const text = await answer.body.text()
    if (answer.statusCode !== 202) throw new Error(`trigger: ${answer.statusCode} ${text}`)
    waits.push(performance.now() - sentAt)
  }

  return {
    async run(n) {
      waits.length = 0
      const startedAt = performance.now()
      await inParallel(n, callers, trigger)
      return performance.now() - startedAt
    },
    figures: () => [
      { id: 'P5-', what: 'answer p50', value: percentile(waits, 0.5), unit: 'ms' },
      { id: 'P5-', what: 'answer p99', value: percentile(waits, 0.99), unit: 'ms' },
    ],
    close: () => pool.close(),
  }
}

/** Whether no execution of the user is open, as the API shows it; undefined while one is. */
export async function isAllRecorded(user: Caller): Promise<true | undefined> {
  for (const status of ['SCHEDULED', 'RUNNING']) {
    const { body } = await user.call<Page>('GET', `/executions?status=${status}&limit=1`)
    if (body.data.length > 0) return undefined
  }
  return true
}
