import { randomUUID } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { readAll } from '../../proof/caller.ts'
import { openTarget, preciseNow, type Reply } from '../../proof/target.ts'
import { isElsewhere, useBelfry } from './belfry.ts'

interface Execution {
  id: string
  jobId: string
  status: string
}
interface List<T> {
  data: T[]
}

/** How long a busy machine may take, milliseconds. */
const waitMs = 50_000

const quickRetries = { maxRetries: 3, delay: '50ms', jitter: false }

describe.skipIf(isElsewhere)('HTTP jobs and their targets', () => {
  const belfry = useBelfry()
  const target = async (reply?: Reply) => {
    const opened = await openTarget(reply)
    onTestFinished(() => opened.close())
    return opened
  }
  /** A busy machine answers that it did not, or that it took too long: the same key makes the job once. */
  const create = (body: Record<string, unknown>) => {
    const headers = { 'idempotency-key': randomUUID() }
    const tryOnce = async () => {
      const all = { jobType: 'HTTP_CALL', ...body }
      const created = await belfry.user.call<{ id: string }>('POST', '/jobs', all, headers)
      if ([409, 503, 504].includes(created.status)) {
        await new Promise((resolve) => setTimeout(resolve, 1000 * Number(created.headers.get('retry-after') ?? 1)))
        return undefined
      }
      expect(created.status, JSON.stringify(created.body)).toBe(201)
      return created.body.id
    }
    return eventually('a job to be made', tryOnce, waitMs)
  }
  /** Undefined while too many lists are read at a time: hundreds of jobs are looked at here at once. */
  const executionsOf = async (jobId: string) => {
    const { status, body } = await belfry.user.call<List<Execution>>('GET', `/jobs/${jobId}/executions`)
    return [429, 503, 504].includes(status) ? undefined : body.data
  }
  const ended = (jobId: string) =>
    eventually(`${jobId} to end`, async () => {
      const newest = (await executionsOf(jobId))?.[0]
      return newest && !['SCHEDULED', 'RUNNING', 'RETRYING'].includes(newest.status) ? newest : undefined
    })

  it('reach it once each, at their millisecond and never early', async () => {
    const opened = await target()
    const start = Date.now() + 1500
    const jobs = await Promise.all(
      Array.from({ length: 120 }, async () => {
        const runAt = start + Math.floor(Math.random() * 1500)
        return create({ params: { url: opened.url, method: 'POST' }, runAt: new Date(runAt).toISOString() })
      }),
    )
    await opened.reached(jobs.length)
    await Promise.all(jobs.map(ended))
    expect(opened.calls.map((call) => call.jobId).sort()).toEqual([...jobs].sort())
    expect(new Set(opened.calls.map((call) => call.key)).size).toBe(jobs.length)
    expect(opened.calls.filter((call) => call.at < call.fireAt)).toEqual([])
  })

  it('are called four times with growing waits and one key when they always fail, then lie among the dead letters', async () => {
    const opened = await target((_call, response) => response.writeHead(500).end())
    const jobId = await create({ params: { url: opened.url }, delay: '0s', retry: quickRetries })
    const execution = await ended(jobId)
    expect(execution.status).toBe('FAILED')
    expect(opened.calls.map((call) => call.attempt)).toEqual([1, 2, 3, 4])
    expect(new Set(opened.calls.map((call) => call.key))).toEqual(new Set([execution.id]))
    const at = opened.calls.map((call) => call.at) as [number, number, number, number]
    expect(at[1] - at[0]).toBeGreaterThanOrEqual(49)
    expect(at[2] - at[1]).toBeGreaterThanOrEqual(99)
    expect(at[3] - at[2]).toBeGreaterThanOrEqual(199)
    const dead = await belfry.user.call<List<Execution>>('GET', '/dead-letters')
    expect(dead.body.data.filter((letter) => letter.jobId === jobId).map((letter) => letter.id)).toEqual([execution.id])
  })

  it('are called once when they answer 404', async () => {
    const opened = await target((_call, response) => response.writeHead(404).end())
    const jobId = await create({ params: { url: opened.url }, delay: '0s', retry: quickRetries })
    expect((await ended(jobId)).status).toBe('FAILED')
    expect(opened.calls.length).toBe(1)
  })

  it('decide with Retry-After when they are called again', async () => {
    const opened = await target((call, response) => {
      if (call.attempt === 1) response.writeHead(503, { 'retry-after': '1' }).end()
      else response.end('{}')
    })
    const jobId = await create({ params: { url: opened.url }, delay: '0s', retry: quickRetries })
    expect((await ended(jobId)).status).toBe('SUCCESS')
    const [first, second] = opened.calls.map((call) => call.at) as [number, number]
    expect(second - first).toBeGreaterThanOrEqual(999)
  })

  it('are not reached any more after a cancel was answered, unless the answer lists the run', {
    timeout: 150_000,
  }, async () => {
    const opened = await target()
    const cancelled = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        // Some lie so far ahead that their cancel comes in time on any machine.
        const aheadMs = index % 10 === 0 ? 20_000 : 0
        const runAt = Date.now() + aheadMs + 600 + Math.floor(Math.random() * 1000)
        const jobId = await create({ params: { url: opened.url }, runAt: new Date(runAt).toISOString() })
        // More of them before than after the time: on a busy machine all of them come late.
        const cancelAt = runAt - aheadMs - 400 + Math.floor(Math.random() * 500)
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, cancelAt - Date.now())))
        // And some cancels come too late on any machine.
        const isReached = async () => opened.calls.some((call) => call.jobId === jobId) || undefined
        if (index % 10 === 1) await eventually('the target to be reached', isReached, waitMs)
        const cancel = () => belfry.user.call<{ inFlight?: { executionId: string }[] }>('POST', `/jobs/${jobId}/cancel`)
        // Of those that lie far ahead the cancel is sent until it is firm, so that some are on any machine.
        const firm = async () => {
          const one = await cancel()
          return one.status === 200 ? one : undefined
        }
        const answer = await (aheadMs > 0 ? eventually('a firm cancel', firm, waitMs) : cancel())
        // 202, 503 and 504 are the answers of a machine that is too busy, and promise nothing.
        expect([200, 202, 503, 504], JSON.stringify(answer.body)).toContain(answer.status)
        const { inFlight = [] } = answer.body
        return { jobId, isFirm: answer.status === 200, answeredAt: preciseNow(), listed: inFlight.length > 0 }
      }),
    )
    await eventually(
      'every execution to end',
      async () => {
        const executions = await readAll<Execution>(belfry.user, '/executions')
        return executions.every((one) => !['SCHEDULED', 'RUNNING', 'RETRYING'].includes(one.status)) || undefined
      },
      waitMs,
    )
    const late = cancelled.filter(
      ({ jobId, isFirm, answeredAt, listed }) =>
        isFirm && !listed && opened.calls.some((call) => call.jobId === jobId && call.at > answeredAt),
    )
    expect(late).toEqual([])
    expect(cancelled.filter(({ isFirm }) => isFirm).length).toBeGreaterThan(0)
    // Both happened: some cancels came in time, and some too late.
    expect(opened.calls.length).toBeGreaterThan(0)
    expect(opened.calls.length).toBeLessThan(cancelled.length)
  })
})
