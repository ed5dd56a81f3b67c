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

async function ofStarts(count: number, seconds: number, callsPerSecond: number): Promise<Figure[]> {
  return withBelfry(async (_belfry, user) => {
    const span = await createOneShots(user, count, seconds, { jobType: 'DUMMY', params: { durationMs: 0 } })
    await wait(Math.max(0, span.start - Date.now()))
    if (callsPerSecond > 0) await makeTraffic(user, callsPerSecond, span.end + 1000)
    else await wait(Math.max(0, span.end + 2000 - Date.now()))
    const runs = (await readAll<Execution>(user, '/executions')).filter((one) => one.status === 'SUCCESS')
    const late = runs.map((one) => one.latenessMs ?? Number.NaN)
    const beside = callsPerSecond > 0 ? ` beside ${callsPerSecond} calls/s` : ''
    const bound = callsPerSecond > 0 ? 8 : 4
    return [
      { id: 'P1', what: `start lateness p50${beside}`, value: percentile(late, 0.5), unit: 'ms', goal: { atMost: 1 } },
      {
        id: 'P1',
        what: `start lateness p99${beside}`,
        value: percentile(late, 0.99),
        unit: 'ms',
        goal: { atMost: bound },
      },
      {
        id: 'P1',
        what: `started early${beside}`,
        value: late.filter((ms) => ms < 0).length,
        unit: 'runs',
        goal: { atMost: 0 },
      },
      {
        id: 'P1',
        what: `not run exactly once${beside}`,
        value: count - runs.filter((one) => one.attempts.length === 1).length,
        unit: 'runs',
        goal: { atMost: 0 },
      },
    ]
  })
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
    return [
      ...(await ofStarts(n, seconds, 0)),
      ...(await ofStarts(n, seconds, calls)),
      ...(await atTarget(targets, seconds)),
    ]
  },
}
