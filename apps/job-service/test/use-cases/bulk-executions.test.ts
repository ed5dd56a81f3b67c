import type { BulkExecutionsReply, JobView, Page } from '@belfry/contracts'
import { beforeAll, describe, expect, it } from 'vitest'
import { monday, statusMessage } from '../fixtures.ts'
import { pointersOf, useWorld } from '../world.ts'

const hour = 3_600_000

describe('a bulk call for executions', () => {
  const world = useWorld()
  let job: JobView
  const states = ['failed', 'succeeded', 'lost', 'expired', 'failed', 'ready', 'running'] as const
  beforeAll(async () => {
    job = (await world.call<JobView>('PUT', '/jobs/bulk', { jobType: 'DUMMY', schedule: '@hourly', viewers: ['ben'] }))
      .body
    const stored = (await world.stores.jobs.find('usr-a', job.id))!
    const messages = states.map((state, n) => statusMessage({ job: stored, state, fireAt: monday - (n + 1) * hour }))
    await world.executor.publish(...messages)
  })
  const run = (body: object, options?: object) =>
    world.call<BulkExecutionsReply>('POST', '/executions/bulk', body, options)
  const hoursOf = ({ results }: BulkExecutionsReply) =>
    results.map(({ id, outcome }) => [(monday - Number.parseInt(id.split('-')[1] ?? '', 36)) / hour, outcome])

  it('says in a dry run what a retry would take, and does nothing', async () => {
    const { status, body } = await run({ action: 'retry', filter: {}, dryRun: true })
    expect(status).toBe(200)
    expect(hoursOf(body)).toEqual([
      [1, 'retried'],
      [3, 'retried'],
      [4, 'retried'],
      [5, 'retried'],
    ])
    expect(body.results.every(({ executionId }) => executionId === null)).toBe(true)
    const { body: executions } = await world.call<Page<unknown>>('GET', `/jobs/${job.id}/executions`)
    expect(executions.data).toHaveLength(states.length)
  })

  it('retries what fits the filter, each once however often it is called', async () => {
    const filter = { jobId: 'bulk', status: ['FAILED'], from: new Date(monday - 2 * hour).toISOString() }
    const first = await run({ action: 'retry', filter, reason: 'fixed' })
    expect([hoursOf(first.body), first.body.counts]).toEqual([[[1, 'retried']], { done: 1, already: 0, refused: 0 }])
    const { executionId } = first.body.results[0]!
    const { body: made } = await world.call('GET', `/executions/${executionId}`)
    expect(made).toMatchObject({ cause: 'retry', reason: 'fixed', jobId: job.id })
    const again = await run({ action: 'retry', filter })
    expect(again.body.results[0]).toMatchObject({ outcome: 'already-retried', executionId })
  })

  it('goes on where the call before has ended', async () => {
    const seen: unknown[] = []
    for (let cursor: string | null = null; ; ) {
      const body = { action: 'retry', filter: {}, limit: 3, ...(cursor && { cursor }) }
      const { body: answer }: { body: BulkExecutionsReply } = await run(body)
      seen.push(...hoursOf(answer))
      cursor = answer.page.nextCursor
      if (!answer.page.hasMore) break
    }
    expect(seen).toEqual([
      [1, 'already-retried'],
      [3, 'retried'],
      [4, 'retried'],
      [5, 'retried'],
    ])
  })

  it('cancels what waits and runs', async () => {
    const filter = { to: new Date(monday - 6 * hour).toISOString() }
    expect(hoursOf((await run({ action: 'cancel', filter, dryRun: true })).body)).toEqual([
      [6, 'cancelled'],
      [7, 'cancelling'],
    ])
    const { body } = await run({ action: 'cancel', filter })
    expect([hoursOf(body), body.counts]).toEqual([
      [
        [6, 'cancelled'],
        [7, 'cancelling'],
      ],
      { done: 2, already: 0, refused: 0 },
    ])
    const left = await run({ action: 'cancel', filter: { ...filter, status: ['SCHEDULED', 'CANCELLED'] } })
    expect(left.body.results).toMatchObject([{ outcome: 'cancelled' }])
  })

  it('refuses each that the action is not for, with the reason', async () => {
    const { body } = await run({ action: 'cancel', filter: { status: ['SUCCESS'] } })
    expect(body.results).toMatchObject([{ outcome: 'refused', code: 'illegal-transition' }])
    expect(body.results[0]?.detail).toContain('SUCCESS')
  })

  it('refuses in a dry run of a cancel what has ended, as the call itself does', async () => {
    const asked = { action: 'cancel', filter: { jobId: 'bulk', status: ['SUCCESS'] } }
    const [dry, real] = [await run({ ...asked, dryRun: true }), await run(asked)]
    expect(dry.body.counts).toEqual({ done: 0, already: 0, refused: 1 })
    expect(dry.body.results).toEqual(real.body.results)
  })

  it('reaches the jobs of others only for operators', async () => {
    const ask = (user: string, roles: string[]) =>
      run({ action: 'retry', filter: { jobId: job.id }, dryRun: true }, { user, roles })
    const answers = [await ask('usr-b', ['user']), await ask('usr-c', ['user']), await ask('usr-o', ['operator'])]
    expect(answers.map(({ status }) => status)).toEqual([403, 404, 200])
    expect((await run({ action: 'retry', filter: {} }, { user: 'usr-c' })).body.results).toEqual([])
  })

  it.each([
    [{ filter: {} }, ['/action']],
    [{ action: 'retry' }, ['/filter']],
    [{ action: 'retry', filter: { status: ['DONE'] } }, ['/filter/status/0']],
    [{ action: 'retry', filter: { from: 'x' }, limit: 201 }, ['/filter/from', '/limit']],
    [{ action: 'retry', filter: {}, cursor: 'x' }, ['/cursor']],
  ])('refuses %j', async (body, pointers) => {
    const answer = await run(body)
    expect([answer.status, pointersOf(answer.body)]).toEqual([400, pointers])
  })
})
