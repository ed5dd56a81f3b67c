import { eventually } from '../proof/belfry-process.ts'
import type { Caller } from '../proof/caller.ts'
import { cpuSeconds, withBelfry } from './belfry.ts'
import { openClient, storeAwaiting, storeBatches, triggerBatches } from './client-load.ts'
import { oneShots, runLoad } from './intake-load.ts'
import { type Benchmark, type Comparison, type Figure, percentile } from './report.ts'
import { isAllRecorded } from './trigger-load.ts'

/** Nothing waits in the relay of jobs: what was stored is also in the scheduler. */
export async function isRelayed(url: string): Promise<true | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return /^belfry_relay_pending\{[^}]*relay="jobs"[^}]*\} 0$/m.test(text) || undefined
}

/** P3: one-shots in batches through the client, until all are acknowledged, and until the scheduler has them. */
export const p3: Benchmark = {
  title: 'P3: one-shots stored in batches through libs/client, and in the scheduler',
  defaults: { n: 200_000, batch: 1000, callers: 8 },
  run: ({ n = 0, batch = 0, callers = 0 }) =>
    withBelfry(async (belfry, user) => {
      const client = openClient(user)
      await storeBatches(client, Math.min(n, 5000), batch, callers)
      await eventually('the first jobs to be in the scheduler', () => isRelayed(belfry.url), 60_000)
      const [cpuBefore, begunAt, refusedBefore] = [await cpuSeconds(belfry.pid), performance.now(), client.refused()]
      const tookMs = await storeBatches(client, n, batch, callers)
      await eventually('all jobs to be in the scheduler', () => isRelayed(belfry.url), 120_000)
      const scheduledMs = performance.now() - begunAt
      const cpu = (await cpuSeconds(belfry.pid)) - cpuBefore
      const seconds = (what: string, ms: number, ratio?: Comparison['ratio']): Figure => ({
        id: 'P3',
        what,
        value: ms / 1000,
        unit: 's',
        peers: [{ key: 'pg-boss.seconds', ...(ratio && { ratio }) }],
      })
      return [
        seconds(`${n} one-shots acknowledged`, tookMs, { atMost: 0.6 }),
        seconds('and in the scheduler', scheduledMs),
        { id: 'P3', what: 'jobs a second', value: (n / scheduledMs) * 1000, unit: '/s' },
        { id: 'P3', what: 'CPU of Belfry a job', value: (cpu / n) * 1e6, unit: 'µs' },
        { id: 'P3', what: 'batches refused and repeated', value: client.refused() - refusedBefore, unit: 'calls' },
      ]
    }),
}

async function makeJobs(user: Caller, jobs: number): Promise<string[]> {
  const bodies = Array.from({ length: jobs }, () => ({ jobType: 'DUMMY', params: { durationMs: 0 } }))
  const made = await user.call<{ results: { id: string }[] }>('POST', '/jobs/batch', bodies, {
    prefer: 'return=minimal',
  })
  return made.body.results.map(({ id }) => id)
}

/** P5: triggers in batches through the client, until the API shows each result as recorded. */
export const p5: Benchmark = {
  title: 'P5: triggers in batches through libs/client, to recorded results',
  defaults: { n: 200_000, batch: 1000, callers: 8, jobs: 100 },
  run: ({ n = 0, batch = 0, callers = 0, jobs = 0 }) =>
    withBelfry(async (belfry, user) => {
      const client = openClient(user)
      const ids = await makeJobs(user, jobs)
      await triggerBatches(client, ids, Math.min(n, 2000), batch, callers)
      await eventually('the first results to be recorded', () => isAllRecorded(user), 60_000)
      const [cpuBefore, begunAt, refusedBefore] = [await cpuSeconds(belfry.pid), performance.now(), client.refused()]
      const tookMs = await triggerBatches(client, ids, n, batch, callers)
      await eventually('every result to be recorded', () => isAllRecorded(user), 120_000)
      const recordedMs = performance.now() - begunAt
      const cpu = (await cpuSeconds(belfry.pid)) - cpuBefore
      return [
        { id: 'P5', what: 'triggers answered', value: (n / tookMs) * 1000, unit: '/s' },
        {
          id: 'P5',
          what: `results recorded, ${n} triggers`,
          value: (n / recordedMs) * 1000,
          unit: '/s',
          peers: [{ key: 'graphile-worker.rate', ratio: { atLeast: 1 } }],
        },
        { id: 'P5', what: 'CPU of Belfry a trigger', value: (cpu / n) * 1e6, unit: 'µs' },
        { id: 'P5', what: 'batches refused and repeated', value: client.refused() - refusedBefore, unit: 'calls' },
      ]
    }),
}

/** The waits and the time of one way to store `n` jobs. */
type Way = (user: Caller, n: number) => Promise<{ readonly tookMs: number; readonly waitsMs: readonly number[] }>

async function stored(n: number, how: string, peers: readonly Comparison[], way: Way): Promise<Figure[]> {
  return withBelfry(async (belfry, user) => {
    await way(user, Math.min(n, 2000))
    const cpuBefore = await cpuSeconds(belfry.pid)
    const { tookMs, waitsMs } = await way(user, n)
    const cpu = (await cpuSeconds(belfry.pid)) - cpuBefore
    return [
      { id: 'P6', what: `jobs a second, ${how}`, value: (n / tookMs) * 1000, unit: '/s', peers },
      ...(waitsMs.length > 0
        ? [{ id: 'P6', what: `answer p50, ${how}`, value: percentile(waitsMs, 0.5), unit: 'ms' }]
        : []),
      { id: 'P6', what: `CPU of Belfry a job, ${how}`, value: (cpu / n) * 1e6, unit: 'µs' },
    ]
  })
}

const awaiting =
  (callers: number): Way =>
  (user, n) =>
    storeAwaiting(openClient(user), n, callers)

/** The bounds of P6 count against BullMQ with 64 callers; the same work is shown beside them. */
const base = 'bullmq-64.rate'
const twice = { key: base, ratio: { atLeast: 2 } }

/** P6: callers that each wait for the answer through the client, batches, and one call a job without the client's batches. */
export const p6: Benchmark = {
  title: 'P6: jobs stored by callers that wait for each answer, through libs/client, in batches, and one call a job',
  defaults: { n: 100_000, callers: 64, more: 256, batch: 1000, batched: 200_000, single: 40_000 },
  async run({ n = 0, callers = 0, more = 0, batch = 0, batched = 0, single = 0 }) {
    const figures: Figure[] = []
    const measure = async (count: number, how: string, peers: readonly Comparison[], way: Way) => {
      if (count > 0) figures.push(...(await stored(count, how, peers, way)))
    }
    const client = (count: number) => `${count} awaiting callers`
    await measure(n, client(callers), [{ key: base, ratio: { atLeast: 1 } }], awaiting(callers))
    if (more > 0) await measure(n, client(more), [twice, { key: 'bullmq-256.rate' }], awaiting(more))
    await measure(batched, `batches of ${batch}`, [twice, { key: 'bullmq-batches.rate' }], async (user, count) => {
      return { tookMs: await storeBatches(openClient(user), count, batch, 8), waitsMs: [] }
    })
    await measure(single, `${callers} callers, one call a job`, [{ key: base }], (user, count) =>
      runLoad(user, oneShots(count, 1, callers)),
    )
    return figures
  },
}
