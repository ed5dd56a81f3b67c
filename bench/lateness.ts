import { setTimeout as wait } from 'node:timers/promises'
import type { Caller } from '../proof/caller.ts'
import { readAll } from '../proof/caller.ts'
import { openTarget, preciseNow, type TargetCall } from '../proof/target.ts'
import { inParallel, withBelfry } from './belfry.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'

interface Execution {
  jobId: string
  fireAt: string
  status: string
  latenessMs: number | null
  attempts: unknown[]
}

/**
 * Creates `count` one-shots at random milliseconds over `seconds`. The first is due in `leadMs`, so that all are stored
 * before; throws when that was too short.
 */
export async function createOneShots(
  user: Caller,
  count: number,
  seconds: number,
  body: Record<string, unknown>,
  leadMs = 3000 + count * 2,
) {
  const start = Date.now() + leadMs
  await inParallel(count, 16, async () => {
    const runAt = new Date(start + Math.floor(Math.random() * seconds * 1000)).toISOString()
    const created = await user.call('POST', '/jobs', { ...body, runAt })
    if (created.status !== 201) throw new Error(`create: ${created.status} ${JSON.stringify(created.body)}`)
  })
  if (Date.now() > start) throw new Error('the first one-shot was due before the last one was created')
  return { start, end: start + seconds * 1000 }
}

/** `perSecond` API calls a second, evenly, until `until`. */
async function makeTraffic(user: Caller, perSecond: number, until: number): Promise<void> {
  const started = performance.now()
  const calls: Promise<unknown>[] = []
  for (let sent = 0; Date.now() < until; sent++) {
    await wait(Math.max(0, started + (sent * 1000) / perSecond - performance.now()))
    calls.push(user.call('GET', sent % 2 ? '/jobs?limit=20' : '/executions?limit=20'))
  }
  await Promise.all(calls)
}

/** How late the one-shots of one measurement have started. */
export interface Starts {
  /** Milliseconds, whole, one for each run that succeeded. */
  readonly lateMs: readonly number[]
  /** One-shots that have not run exactly once. */
  readonly notOnce: number
}

/** One-shots at random milliseconds of `seconds`, beside `callsPerSecond` reads a second. */
export async function measureStarts(
  user: Caller,
  count: number,
  seconds: number,
  callsPerSecond: number,
): Promise<Starts> {
  const span = await createOneShots(user, count, seconds, { jobType: 'DUMMY', params: { durationMs: 0 } })
  await wait(Math.max(0, span.start - Date.now()))
  if (callsPerSecond > 0) await makeTraffic(user, callsPerSecond, span.end + 1000)
  else await wait(Math.max(0, span.end + 2000 - Date.now()))
  const from = encodeURIComponent(new Date(span.start).toISOString())
  const runs = (await readAll<Execution>(user, `/executions?from=${from}`)).filter((one) => one.status === 'SUCCESS')
  return {
    lateMs: runs.map((one) => one.latenessMs ?? Number.NaN),
    notOnce: count - runs.filter((one) => one.attempts.length === 1).length,
  }
}

function startFigures({ lateMs, notOnce }: Starts, isAlone: boolean, beside: string): Figure[] {
  const figure = (what: string, value: number, unit: string, atMost?: number): Figure => ({
    id: 'P1',
    what: `${what}${beside}`,
    value,
    unit,
    ...(atMost !== undefined && { goal: { atMost } }),
  })
  const p99 = figure('start lateness p99', percentile(lateMs, 0.99), 'ms', isAlone ? 4 : 8)
  return [
    figure('start lateness p50', percentile(lateMs, 0.5), 'ms', 1),
    isAlone ? { ...p99, peers: [{ key: 'bullmq-lateness.p99', ratio: { atMost: 1 / 3 } }] } : p99,
    figure('started early', lateMs.filter((ms) => ms < 0).length, 'runs', 0),
    figure('not run exactly once', notOnce, 'runs', 0),
  ]
}

async function ofStarts(count: number, seconds: number, calls: number): Promise<Figure[]> {
  const measure = (perSecond: number) => withBelfry((_belfry, user) => measureStarts(user, count, seconds, perSecond))
  const alone = await measure(0)
  if (calls === 0) return startFigures(alone, true, '')
  const busy = await measure(calls)
  const beside = ` beside ${calls} calls/s`
  const p99 = ({ lateMs }: Starts) => Math.max(1, percentile(lateMs, 0.99))
  return [
    ...startFigures(alone, true, ''),
    ...startFigures(busy, false, beside),
    { id: 'P1', what: `p99${beside} by p99 alone`, value: p99(busy) / p99(alone), unit: 'x', goal: { atMost: 2 } },
  ]
}

const latenessOf = (call: TargetCall) => call.at - call.fireAt

/** The same seen from outside: HTTP_CALLs at random milliseconds, timed by the target itself. */
async function atTarget(count: number, seconds: number): Promise<Figure[]> {
  const target = await openTarget()
  try {
    return await withBelfry(async (_belfry, user) => {
      const body = { jobType: 'HTTP_CALL', params: { url: target.url, method: 'POST' } }
      const span = await createOneShots(user, count, seconds, body)
      await wait(Math.max(0, span.end + 2000 - preciseNow()))
      const late = target.calls.map(latenessOf)
      const jobs = new Set(target.calls.map((call) => call.jobId))
      return [
        { id: 'target', what: 'lateness at the target p50', value: percentile(late, 0.5), unit: 'ms' },
        {
          id: 'target',
          what: 'lateness at the target p99',
          value: percentile(late, 0.99),
          unit: 'ms',
          goal: { atMost: 15 },
        },
        {
          id: 'target',
          what: 'reached early',
          value: late.filter((ms) => ms < 0).length,
          unit: 'calls',
          goal: { atMost: 0 },
        },
        { id: 'target', what: 'not reached', value: count - jobs.size, unit: 'jobs', goal: { atMost: 0 } },
        {
          id: 'target',
          what: 'reached more than once',
          value: target.calls.length - jobs.size,
          unit: 'calls',
          goal: { atMost: 0 },
        },
      ]
    })
  } finally {
    await target.close()
  }
}

/** P1, and acceptance of the first issue: how late runs start, by the system's word and by the target's. */
export const lateness: Benchmark = {
  title: 'P1: start lateness of one-shots at random milliseconds, alone, beside API calls, and at a target',
  defaults: { n: 2000, seconds: 20, calls: 200, targets: 500 },
  async run({ n = 0, seconds = 0, calls = 0, targets = 0 }) {
    return [...(await ofStarts(n, seconds, calls)), ...(targets > 0 ? await atTarget(targets, seconds) : [])]
  },
}
