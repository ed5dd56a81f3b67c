import type {
  ExecutionView,
  FencedJobView,
  HistoryEntry,
  JobView,
  NextRunsView,
  Page,
  RedriveReply,
} from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { useBelfry } from './belfry.ts'

describe('a job that is changed', () => {
  const belfry = useBelfry()
  const call = <T>(method: string, path: string, body?: object, headers?: Record<string, string>) =>
    belfry.user.call<T>(method, path, body, headers)
  const create = async (body: object) => {
    const params = { durationMs: 1 }
    const made = await call<JobView>('POST', '/jobs', { jobType: 'DUMMY', params, ...body })
    expect(made.status, JSON.stringify(made.body)).toBe(201)
    return made.body
  }
  const executionsOf = async (id: string) =>
    (await call<Page<ExecutionView>>('GET', `/jobs/${id}/executions?limit=200`)).body.data
  const ended = (id: string) =>
    eventually(`the execution ${id} to end`, async () => {
      const { body } = await call<ExecutionView>('GET', `/executions/${id}`)
      return ['SCHEDULED', 'RUNNING', 'RETRYING'].includes(body.status) ? undefined : body
    })

  it('runs in its new version, fires no more while it is paused, and shows that in its history', async () => {
    // What is due together after a late end of the pause would else be skipped in favour of one of them.
    const job = await create({ schedule: '* * * * * *', overlap: { policy: 'allow' } })
    const runsOf = async (version: number) =>
      (await executionsOf(job.id)).filter((one) => one.jobVersion === version && one.status === 'SUCCESS').length
    await eventually('a run', async () => ((await runsOf(1)) > 0 ? true : undefined))
    const patched = await call<FencedJobView>('PATCH', `/jobs/${job.id}`, { params: { durationMs: 2 } })
    expect([patched.status, patched.body.effective, patched.body.version]).toEqual([200, 'now', 2])
    await eventually('a run of the new version', async () => ((await runsOf(2)) > 0 ? true : undefined))

    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 4000)
    const paused = await call<FencedJobView>('POST', `/jobs/${job.id}/pause`, { until: until.toISOString() })
    expect([paused.status, paused.body.state, paused.body.pauseUntil]).toEqual([200, 'paused', until.toISOString()])
    await eventually('the end of the pause', async () => {
      const { body } = await call<JobView>('GET', `/jobs/${job.id}`)
      return body.state === 'active' ? true : undefined
    })
    const at = until.toISOString()
    const first = await eventually('the run at the end of the pause', async () =>
      (await executionsOf(job.id)).find((one) => one.fireAt === at && one.status === 'SUCCESS'),
    )
    expect(first.jobVersion).toBe(4)
    const history = await eventually('the pause in the history', async () => {
      const { data } = (await call<Page<HistoryEntry>>('GET', `/jobs/${job.id}/history?limit=200`)).body
      return data.some((entry) => entry.kind === 'fire-log') ? data : undefined
    })
    const ranges = history.flatMap((entry) => (entry.kind === 'fire-log' ? [entry.range] : []))
    expect(ranges).toHaveLength(1)
    const [range] = ranges
    expect(range).toMatchObject({ decision: 'paused', to: new Date(until.getTime() - 1000).toISOString() })
    // What was claimed already, up to 400 ms before its time, may run: the answer has listed it.
    const listed = paused.body.inFlight.map(({ executionId }) => executionId)
    const during = history
      .flatMap((entry) => (entry.kind === 'execution' ? [entry.execution] : []))
      .filter(({ id, fireAt }) => fireAt >= (range?.from ?? '') && fireAt <= (range?.to ?? '') && !listed.includes(id))
    expect(during.map(({ status }) => status)).not.toContain('SUCCESS')

    const removed = await call<FencedJobView>('DELETE', `/jobs/${job.id}`)
    expect([removed.status, removed.body.state]).toEqual([200, 'deleted'])
    expect((await call('GET', `/jobs/${job.id}`)).status).toBe(404)
    expect((await executionsOf(job.id)).length).toBeGreaterThan(2)
  })

  it('takes a hundred updates in a row', async () => {
    const job = await create({ schedule: '@daily' })
    for (let n = 1; n <= 100; n++) {
      const { status, body } = await call<FencedJobView>('PATCH', `/jobs/${job.id}`, { name: `name ${n}` })
      expect([status, body.version], JSON.stringify(body)).toEqual([200, n + 1])
    }
  })

  it('is changed at the version that the caller has seen, and not at another', async () => {
    const job = await create({})
    const rename = (ifMatch: string) =>
      call<FencedJobView>('PATCH', `/jobs/${job.id}`, { name: 'other' }, { 'if-match': ifMatch })
    const read = await call<JobView>('GET', `/jobs/${job.id}`)
    expect((await rename(read.headers.get('etag') ?? '')).status).toBe(200)
    expect((await rename('"1"')).status).toBe(412)
  })

  it('shows its next runs', async () => {
    const job = await create({ schedule: { cron: '0 12 * * *', timezone: 'Europe/Berlin' } })
    const { body } = await call<NextRunsView>('GET', `/jobs/${job.id}/next-runs?count=3`)
    expect(body.data.map(({ local }) => local.slice(10, 16))).toEqual(['T12:00', 'T12:00', 'T12:00'])
    expect(body.data[0]?.at).toBe(job.nextRunAt)
  })

  it('has its failed run again as a new one', async () => {
    const job = await create({ params: { durationMs: 1, fail: 1 }, retry: { maxRetries: 0 } })
    const trigger = await call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    const failed = await ended(trigger.body.id)
    expect(failed.status).toBe('FAILED')
    expect((await call('PATCH', `/jobs/${job.id}`, { params: { fail: null } })).status).toBe(200)
    const redriven = await call<RedriveReply>('POST', '/dead-letters/redrive', { filter: { jobId: job.id } })
    expect(redriven.body.counts).toEqual({ redriven: 1, alreadyRedriven: 0, refused: 0 })
    const [result] = redriven.body.results
    const again = await ended(result?.executionId ?? '')
    expect(again).toMatchObject({ status: 'SUCCESS', cause: 'retry', retryOf: failed.id, jobVersion: 2 })
    const byHand = await call<ExecutionView>('POST', `/executions/${again.id}/retry`, { reason: 'once more' })
    expect(await ended(byHand.body.id)).toMatchObject({ status: 'SUCCESS', retryOf: again.id, reason: 'once more' })
  })

  it('has one execution cancelled, and goes on', async () => {
    const job = await create({ params: { durationMs: 60_000 } })
    const { id } = (await call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)).body
    await eventually('the run', async () => {
      const { body } = await call<ExecutionView>('GET', `/executions/${id}`)
      return body.status === 'RUNNING' ? true : undefined
    })
    expect([200, 202]).toContain((await call('POST', `/executions/${id}/cancel`)).status)
    expect((await ended(id)).status).toBe('CANCELLED')
    expect((await call('POST', `/executions/${id}/cancel`)).status).toBe(200)
    const next = await call<ExecutionView>('POST', `/jobs/${job.id}/trigger`, { params: { durationMs: 1 } })
    expect((await ended(next.body.id)).status).toBe('SUCCESS')
  })
})
