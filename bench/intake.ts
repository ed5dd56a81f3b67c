import { setTimeout as wait } from 'node:timers/promises'
import { type Caller, readAll, signUp } from '../proof/caller.ts'
import { cpuSeconds, withBelfry } from './belfry.ts'
import { oneShots, runLoad } from './intake-load.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'

interface Execution {
  readonly status: string
  readonly latenessMs: number | null
}

/** From one probe to the next, milliseconds. */
const probeEveryMs = 50

/** Creates jobs that are due in a second, while `isOver` is false; resolves to how many. */
async function sendProbes(user: Caller, isOver: () => boolean): Promise<number> {
  const sent: Promise<void>[] = []
  const probe = async () => {
    const made = await user.call('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 0 }, delay: '1s' })
    if (made.status !== 201) throw new Error(`probe: ${made.status} ${JSON.stringify(made.body)}`)
  }
  while (!isOver()) {
    sent.push(probe())
    await wait(probeEveryMs)
  }
  await Promise.all(sent)
  return sent.length
}

/** The largest value of a gauge of `/metrics` that was seen while `isOver` is false. */
async function highest(url: string, pattern: RegExp, isOver: () => boolean): Promise<number> {
  let most = 0
  while (!isOver()) {
    const text = await (await fetch(`${url}/metrics`)).text()
    most = Math.max(most, Number(pattern.exec(text)?.[1] ?? 0))
    await wait(200)
  }
  return most
}

const pendingOfJobs = /^belfry_relay_pending\{[^}]*relay="jobs"[^}]*\} (\d+)/m

async function measure(n: number, callers: number, batch: number, env: Record<string, string>): Promise<Figure[]> {
  return withBelfry(async (belfry, user) => {
    const prober = await signUp(belfry.url)
    await runLoad(user, oneShots(Math.min(2000, n), batch, callers))
    let isOver = false
    const cpuBefore = await cpuSeconds(belfry.pid)
    const probing = sendProbes(prober, () => isOver)
    const watching = highest(belfry.url, pendingOfJobs, () => isOver)
    const report = await runLoad(user, oneShots(n, batch, callers)).finally(() => {
      isOver = true
    })
    const cpu = (await cpuSeconds(belfry.pid)) - cpuBefore
    const probes = await probing
    await wait(3000)
    const runs = (await readAll<Execution>(prober, '/executions')).filter(({ status }) => status === 'SUCCESS')
    const late = runs.map(({ latenessMs }) => latenessMs ?? Number.NaN)
    const how = batch > 1 ? `, ${callers} callers, batches of ${batch}` : `, ${callers} callers`
    const goal = { atMost: 20 }
    return [
      { id: 'intake', what: `jobs acknowledged${how}`, value: (n / report.tookMs) * 1000, unit: '/s' },
      { id: 'intake', what: `CPU of Belfry a job${how}`, value: (cpu / n) * 1e6, unit: 'µs' },
      { id: 'intake', what: `answer p50${how}`, value: percentile(report.waitsMs, 0.5), unit: 'ms' },
      { id: 'intake', what: `answer p99${how}`, value: percentile(report.waitsMs, 0.99), unit: 'ms' },
      { id: 'intake', what: `calls refused and repeated${how}`, value: report.refused, unit: 'calls' },
      { id: 'intake', what: `most job changes that waited in the relay${how}`, value: await watching, unit: 'jobs' },
      { id: 'intake', what: `probes due in 1 s${how}`, value: probes, unit: 'jobs' },
      { id: 'intake', what: `lateness of the probes p50${how}`, value: percentile(late, 0.5), unit: 'ms' },
      { id: 'intake', what: `lateness of the probes p99${how}`, value: percentile(late, 0.99), unit: 'ms', goal },
      { id: 'intake', what: `lateness of the probes, worst${how}`, value: Math.max(...late), unit: 'ms' },
      {
        id: 'intake',
        what: `probes without a run${how}`,
        value: probes - runs.length,
        unit: 'jobs',
        goal: { atMost: 0 },
      },
    ]
  }, env)
}

/** Back-pressure from intake to scheduler: jobs that are due soon run on time while others are stored as fast as callers can. */
export const intake: Benchmark = {
  title: 'lateness of jobs due in 1 s while callers store jobs one a call and in batches',
  defaults: { n: 80_000, callers: 256, batch: 1000, batchCallers: 16, single: 1 },
  async run({ n = 0, callers = 0, batch = 0, batchCallers = 0, single = 0 }) {
    const figures: Figure[] = []
    if (single > 0) figures.push(...(await measure(n, callers, 1, {})))
    if (batch > 1) figures.push(...(await measure(n, batchCallers, batch, {})))
    return figures
  },
}
