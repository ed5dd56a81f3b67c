import type { JobView, RedriveReply } from '@belfry/contracts'
import { beforeAll, describe, expect, it } from 'vitest'
import { monday, statusMessage } from '../fixtures.ts'
import { useWorld } from '../world.ts'

const hour = 3_600_000

/** The gateway counts what one call did by this header. */
describe('a call with many items says how many it had', () => {
  const world = useWorld()
  let job: JobView
  beforeAll(async () => {
    const body = { jobType: 'DUMMY', schedule: '@hourly', tags: ['nightly'] }
    job = (await world.call<JobView>('PUT', '/jobs/one', body)).body
    const stored = (await world.stores.jobs.find('usr-a', job.id))!
    const states = ['failed', 'lost', 'expired'] as const
    const messages = states.map((state, n) => statusMessage({ job: stored, state, fireAt: monday - (n + 1) * hour }))
    await world.executor.publish(...messages)
  })
  const countOf = async (url: string, body: object) => {
    const { status, headers } = await world.call<RedriveReply>('POST', url, body)
    return [status, headers['x-item-count']]
  }
  const retry = { action: 'retry', filter: {} }
  const range = { from: new Date(monday - 3 * hour).toISOString() }

  it('and counts a dry run as one call', async () => {
    expect(await countOf('/executions/bulk', { ...retry, dryRun: true })).toEqual([200, undefined])
    expect(await countOf('/dead-letters/redrive', { filter: {}, dryRun: true })).toEqual([200, undefined])
    expect(await countOf(`/jobs/${job.id}/backfill`, { ...range, dryRun: true })).toEqual([200, undefined])
    expect(await countOf('/jobs/pause', { tag: 'nightly', dryRun: true })).toEqual([200, undefined])
  })

  it('and whether they are runs', async () => {
    expect(await countOf('/dead-letters/redrive', { filter: {} })).toEqual([200, '1;runs'])
    expect(await countOf('/executions/bulk', retry)).toEqual([200, '3;runs'])
    expect(await countOf(`/jobs/${job.id}/backfill`, { ...range, again: true })).toEqual([202, '3;runs'])
    expect(await countOf('/executions/bulk', { action: 'cancel', filter: { jobId: job.id } })).toEqual([
      200,
      expect.stringMatching(/^\d+$/),
    ])
    expect(await countOf('/jobs/pause', { tag: 'nightly' })).toEqual([200, '1'])
    expect(await countOf('/jobs/resume', { tag: 'nightly' })).toEqual([200, '1'])
  })
})
