import type { FireRangeView, Page } from '@belfry/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import type { FireRange } from '../../src/domain/schedule-record.ts'
import { changesOf, everyMinute, jobId, jobIdOf, minute, noon, second } from '../fixtures.ts'
import { openWorld, type World } from '../world.ts'

let world: World
afterEach(() => world.close())

const open = async () => {
  world = await openWorld()
  await world.joinJobs()
  world.jobs.owned.set(jobId, jobId).set('nightly', jobId)
}
const path = (ref: string, query = '') => `/jobs/${ref}/fire-log${query}`
const read = async (ref: string, query = '') => {
  const answer = await world.get(path(ref, query), 'viewer')
  expect(answer.statusCode, answer.body).toBe(200)
  return answer.json() as Page<FireRangeView>
}

describe('GET /jobs/:id/fire-log', () => {
  it('answers the fire times that were missed while no scheduler ran, by id and by key', async () => {
    await open()
    await world.publishChanges(changesOf([['create', noon, everyMinute]]))
    await world.idle()
    await world.service.stop()
    await world.clock.advance(30 * minute + 20 * second)
    await world.restart()
    await world.until(async () => (await read(jobId)).data.length > 0)
    const missed = {
      from: new Date(noon + minute).toISOString(),
      to: new Date(noon + 28 * minute).toISOString(),
      count: 28,
      decision: 'missed',
      reason: expect.stringMatching(/^[a-z-]+$/),
      version: 1,
    }
    expect(await read(jobId)).toEqual({ data: [missed], page: { nextCursor: null, hasMore: false } })
    expect(await read('nightly')).toEqual(await read(jobId))
  })

  it('goes from page to page, the newest first, and shows no range of another job', async () => {
    await open()
    const ranges = [1, 2, 3, 4, 5].map(
      (n): FireRange => ({
        from: noon + n * minute,
        to: noon + n * minute,
        count: 1,
        decision: n === 3 ? 'paused' : 'missed',
        reason: 'overdue',
        version: n,
      }),
    )
    await world.stores.fireLog.upsertMany(ranges.map((range) => ({ jobId, range })))
    await world.stores.fireLog.upsertMany(
      ranges.map((range) => ({ jobId: jobIdOf(2), range: { ...range, version: 99 } })),
    )
    const versions: number[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { data, page } = await read(jobId, `?limit=2${cursor && `&cursor=${cursor}`}`)
      versions.push(...data.map(({ version }) => version))
      expect(page.hasMore).toBe(page.nextCursor !== null)
      cursor = page.nextCursor
    }
    expect(versions).toEqual([5, 4, 3, 2, 1])
    const bad = await world.get(path(jobId, '?cursor=nonsense'), 'viewer')
    expect([bad.statusCode, bad.json().errors[0].code]).toEqual([400, 'bad-cursor'])
  })

  it('is for the owner of the job: it asks job-service with the token of the caller', async () => {
    await open()
    await world.stores.fireLog.upsertMany([
      {
        jobId: jobIdOf(2),
        range: { from: noon, to: noon, count: 1, decision: 'missed', reason: 'overdue', version: 1 },
      },
    ])
    for (const ref of [jobIdOf(2), 'of-another-owner', '..', '%2e%2e%2finternal']) {
      expect((await world.get(path(ref), 'viewer')).statusCode, ref).toBe(404)
    }
    expect((await world.get(path(jobId))).statusCode).toBe(401)
    const headers = await world.get(path(jobId), 'viewer')
    expect(headers.statusCode).toBe(200)
    expect(world.jobs.tokens.at(-1)).toMatch(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)
  })

  it('of a deleted job stays readable under its id, for its owner alone', async () => {
    world = await openWorld()
    await world.joinJobs()
    const range: FireRange = { from: noon, to: noon, count: 1, decision: 'missed', reason: 'overdue', version: 1 }
    await world.stores.fireLog.upsertMany([{ jobId, range }])
    const deleted = (id: string) =>
      changesOf(
        [
          ['create', noon, everyMinute],
          ['delete', noon + second],
        ],
        id,
      )
    await world.publishChanges(deleted(jobId), { ...deleted(jobIdOf(2)), ownerId: 'usr-2' })
    await world.idle()
    expect((await read(jobId)).data.map(({ version }) => version)).toEqual([1])
    expect((await world.get(path(jobIdOf(2)), 'viewer')).statusCode).toBe(404)
  })

  it('is 503 while job-service is away', async () => {
    world = await openWorld()
    const answer = await world.get(path(jobId), 'viewer')
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'unavailable'])
  })
})
