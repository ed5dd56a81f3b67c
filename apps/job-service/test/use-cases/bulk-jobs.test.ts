import type { BulkJobsReply, JobView, Problem } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { monday } from '../fixtures.ts'
import { openWorld, pointersOf, useWorld, type World } from '../world.ts'

const make = async (world: World, name: string, more: object = {}) =>
  (await world.call<JobView>('POST', '/jobs', { name, jobType: 'DUMMY', schedule: '@hourly', ...more })).body
const read = async (world: World, { id }: JobView) => (await world.call<JobView>('GET', `/jobs/${id}`)).body
const namesOf = ({ results }: BulkJobsReply) => results.map(({ name }) => name)

describe('a bulk pause', () => {
  const world = useWorld()
  const pause = (body: object, user = 'usr-a') => world.call<BulkJobsReply>('POST', '/jobs/pause', body, { user })
  const resume = (body: object) => world.call<BulkJobsReply>('POST', '/jobs/resume', body)

  it('by a tag pauses the active jobs with the tag, and its resume resumes them', async () => {
    const one = await make(world, 'one', { tags: ['deploy', 'eu'] })
    const alone = await make(world, 'alone', { tags: ['deploy'] })
    const other = await make(world, 'other', { tags: ['eu'] })
    await world.call('POST', `/jobs/${alone.id}/pause`, { reason: 'broken' })
    const dry = await pause({ tag: 'deploy', reason: 'release 7', dryRun: true })
    expect(dry.body).toMatchObject({ dryRun: true, counts: { changed: 1, unchanged: 1, refused: 0, pending: 0 } })
    expect((await read(world, one)).state).toBe('active')
    const { status, body } = await pause({ tag: 'deploy', reason: 'release 7' })
    expect([status, namesOf(body), body.page]).toEqual([200, ['one'], { nextCursor: null, hasMore: false }])
    expect(body.results[0]).toMatchObject({ jobId: one.id, outcome: 'changed', effective: 'now' })
    expect(await read(world, one)).toMatchObject({ state: 'paused', pausedBy: 'bulk', pauseReason: 'release 7' })
    expect(await read(world, alone)).toMatchObject({ pausedBy: 'single', pauseReason: 'broken', version: 2 })
    expect(await read(world, other)).toMatchObject({ state: 'active', pausedBy: null, pauseReason: null })
    expect((await pause({ tag: 'deploy', reason: 'release 7' })).body.counts).toMatchObject({
      changed: 0,
      unchanged: 2,
    })
    const resumed = await resume({ tag: 'deploy' })
    expect([namesOf(resumed.body), resumed.body.counts.unchanged]).toEqual([['one'], 1])
    expect((await read(world, alone)).state).toBe('paused')
    expect(namesOf((await resume({ tag: 'deploy', pausedBy: 'any' })).body)).toEqual(['alone'])
    expect(await read(world, alone)).toMatchObject({ state: 'active', pausedBy: null })
  })

  it('ends by itself at its end, and a resume by hand of one job leaves the others paused', async () => {
    const [one, two] = [await make(world, 'a', { tags: ['x'] }), await make(world, 'b', { tags: ['x'] })]
    await pause({ tag: 'x', until: new Date(monday + 60_000).toISOString() })
    await world.call('POST', `/jobs/${one.id}/resume`)
    expect([(await read(world, one)).state, (await read(world, two)).state]).toEqual(['active', 'paused'])
    await world.pass(61)
    expect((await read(world, two)).state).toBe('active')
  })

  it.each([
    [{}, ['/tag']],
    [{ tag: 'x', all: true }, ['/tag']],
    [{ all: false }, ['/all']],
    [{ tag: 'x', cursor: 'nonsense' }, ['/cursor']],
    [{ all: true, colour: 'red' }, ['/colour']],
  ])('refuses %j', async (body, pointers) => {
    const answer = await pause(body)
    expect([answer.status, pointersOf(answer.body)]).toEqual([400, pointers])
  })

  it('refuses an end that has passed, before it changes a job', async () => {
    const answer = await world.call<Problem>('POST', '/jobs/pause', { all: true, until: '2020-01-01T00:00:00Z' })
    expect([answer.status, pointersOf(answer.body)]).toEqual([422, ['/until']])
  })

  it('is no matter of other users', async () => {
    const job = await make(world, 'mine', { tags: ['mine'] })
    expect((await pause({ all: true }, 'usr-b')).body.counts.changed).toBe(0)
    expect((await read(world, job)).state).toBe('active')
    const viewer = await world.call('POST', '/jobs/pause', { all: true }, { roles: ['viewer'] })
    expect(viewer.status).toBe(403)
  })
})

describe('a bulk pause of many jobs', () => {
  it('goes on page by page until all are paused, and the resume too', async () => {
    const world = await openWorld({ jobBulkRows: 4, jobBulkAtWork: 2 })
    const jobs: JobView[] = []
    for (let n = 0; n < 10; n++) jobs.push(await make(world, `job ${n}`))
    const run = async (path: string, body: object) => {
      let [changed, calls] = [0, 0]
      for (let cursor: string | null = null; ; ) {
        const answer: { body: BulkJobsReply } = await world.call('POST', path, { ...body, ...(cursor && { cursor }) })
        changed += answer.body.counts.changed
        calls += 1
        cursor = answer.body.page.nextCursor
        if (!answer.body.page.hasMore) return [changed, calls]
      }
    }
    expect(await run('/jobs/pause', { all: true })).toEqual([10, 3])
    const states = async () => new Set(await Promise.all(jobs.map(async (job) => (await read(world, job)).state)))
    expect(await states()).toEqual(new Set(['paused']))
    expect(await run('/jobs/resume', { all: true })).toEqual([10, 3])
    expect(await states()).toEqual(new Set(['active']))
    await world.close()
  })

  it('asks the executors no more once they have not confirmed a change: the rest is pending, and is repeated', async () => {
    const world = await openWorld({ jobBulkAtWork: 2 })
    const jobs = [await make(world, 'a'), await make(world, 'b'), await make(world, 'c'), await make(world, 'd')]
    await world.executor.leave()
    const { body } = await world.call<BulkJobsReply>('POST', '/jobs/pause', { all: true })
    expect(body.counts).toEqual({ changed: 4, unchanged: 0, refused: 0, pending: 4 })
    await world.executor.join()
    await world.pass(10)
    for (const { id } of jobs) expect((await world.stores.jobs.find('usr-a', id))?.fencedVersion).toBe(2)
    await world.close()
  })
})
