import { eventually } from '../proof/belfry-process.ts'
import type { Caller } from '../proof/caller.ts'
import { cpuSeconds, withBelfry } from './belfry.ts'
import { type Load, oneShots, runLoad } from './intake-load.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'
import { isAllRecorded } from './trigger-load.ts'

/** Nothing waits in the relay of jobs: what was stored is also in the scheduler. */
async function isRelayed(url: string): Promise<true | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return /^belfry_relay_pending\{[^}]*relay="jobs"[^}]*\} 0$/m.test(text) || undefined
}

/** P3: one-shots in batches, until all are acknowledged, and until the scheduler has them. */
export const p3: Benchmark = {
  title: 'P3: one-shots stored in batches, and in the scheduler',
  defaults: { n: 200_000, batch: 1000, callers: 8 },
  run: ({ n = 0, batch = 0, callers = 0 }) =>
    withBelfry(async (belfry, user) => {
      await runLoad(user, oneShots(Math.min(n, 5000), batch, callers))
      const [cpuBefore, begunAt] = [await cpuSeconds(belfry.pid), performance.now()]
      const { tookMs, refused } = await runLoad(user, oneShots(n, batch, callers))
      await eventually('all jobs to be in the scheduler', () => isRelayed(belfry.url), 120_000)
      const scheduledMs = performance.now() - begunAt
      const cpu = (await cpuSeconds(belfry.pid)) - cpuBefore
      return [
        { id: 'P3', what: `${n} one-shots acknowledged`, value: tookMs / 1000, unit: 's' },
        { id: 'P3', what: 'and in the scheduler', value: scheduledMs / 1000, unit: 's' },
        { id: 'P3', what: 'jobs a second', value: (n / scheduledMs) * 1000, unit: '/s' },
        { id: 'P3', what: 'CPU of Belfry a job', value: (cpu / n) * 1e6, unit: 'µs' },
        { id: 'P3', what: 'batches refused and repeated', value: refused, unit: 'calls' },
      ]
    }),
}

/** `n` triggers of the jobs in turn, `batch` of them a call. */
function triggersOf(ids: readonly string[], n: number, batch: number, callers: number): Load {
  const bodyOf = (index: number) => {
    const first = index * batch
    const items = Array.from({ length: Math.min(batch, n - first) }, (_, at) => ids[(first + at) % ids.length])
    return `[${items.map((id) => `{"jobId":"${id}"}`).join(',')}]`
  }
  const isTaken = (status: number) => status === 200
  return { count: Math.ceil(n / batch), callers, path: '/triggers/batch', bodyOf, isTaken }
}

async function makeJobs(user: Caller, jobs: number): Promise<string[]> {
  const bodies = Array.from({ length: jobs }, () => ({ jobType: 'DUMMY', params: { durationMs: 0 } }))
  const made = await user.call<{ results: { id: string }[] }>('POST', '/jobs/batch', bodies, {
    prefer: 'return=minimal',
  })
  return made.body.results.map(({ id }) => id)
}

/** P5: triggers in batches through the gateway, until the API shows each result as recorded. */
export const p5: Benchmark = {
  title: 'P5: triggers in batches to recorded results',
  defaults: { n: 200_000, batch: 1000, callers: 8, jobs: 100 },
  run: ({ n = 0, batch = 0, callers = 0, jobs = 0 }) =>
    withBelfry(async (belfry, user) => {
      const ids = await makeJobs(user, jobs)
      await runLoad(user, triggersOf(ids, Math.min(n, 2000), batch, callers))
      const [cpuBefore, begunAt] = [await cpuSeconds(belfry.pid), performance.now()]
      const { tookMs, refused } = await runLoad(user, triggersOf(ids, n, batch, callers))
      await eventually('every result to be recorded', () => isAllRecorded(user), 120_000)
      const recordedMs = performance.now() - begunAt
      const cpu = (await cpuSeconds(belfry.pid)) - cpuBefore
      return [
        { id: 'P5', what: 'triggers answered', value: (n / tookMs) * 1000, unit: '/s' },
        { id: 'P5', what: 'results recorded', value: (n / recordedMs) * 1000, unit: '/s' },
        { id: 'P5', what: 'CPU of Belfry a trigger', value: (cpu / n) * 1e6, unit: 'µs' },
        { id: 'P5', what: 'batches refused and repeated', value: refused, unit: 'calls' },
      ]
    }),
}

async function stored(n: number, batch: number, callers: number): Promise<Figure[]> {
  return withBelfry(async (belfry, user) => {
    await runLoad(user, oneShots(Math.min(n, 2000), batch, callers))
    const cpuBefore = await cpuSeconds(belfry.pid)
    const { tookMs, waitsMs } = await runLoad(user, oneShots(n, batch, callers))
    const cpu = (await cpuSeconds(belfry.pid)) - cpuBefore
    const how = batch > 1 ? `${callers} callers, batches of ${batch}` : `${callers} callers`
    return [
      { id: 'P6', what: `jobs a second, ${how}`, value: (n / tookMs) * 1000, unit: '/s' },
      { id: 'P6', what: `answer p50, ${how}`, value: percentile(waitsMs, 0.5), unit: 'ms' },
      { id: 'P6', what: `CPU of Belfry a job, ${how}`, value: (cpu / n) * 1e6, unit: 'µs' },
    ]
  })
}

/** P6: callers that each wait for the answer, one job a call, and in batches. */
export const p6: Benchmark = {
  title: 'P6: jobs stored by callers that wait for each answer',
  defaults: { n: 40_000, callers: 64, more: 256, batch: 1000, batched: 100_000 },
  async run({ n = 0, callers = 0, more = 0, batch = 0, batched = 0 }) {
    const figures = await stored(n, 1, callers)
    if (more > 0) figures.push(...(await stored(n, 1, more)))
    if (batched > 0) figures.push(...(await stored(batched, batch, 8)))
    return figures
  },
}
