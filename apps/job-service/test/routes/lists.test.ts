import type { ExecutionView, JobView, Page } from '@belfry/contracts'
import { soleShare } from '@belfry/storage'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { jobOf, monday, statusMessage } from '../fixtures.ts'
import { listAll, pointersOf, useWorld } from '../world.ts'

describe('the list of jobs', () => {
  const world = useWorld({ jobScanRows: 201, jobScanChunkRows: 50 })
  const made: { id: string; name: string; jobType: string; key: string | null; status: string }[] = []
  beforeAll(async () => {
    const rows = Array.from({ length: 30 }, (_, n) => {
      const jobType = n % 3 ? 'DUMMY' : 'HTTP_CALL'
      return jobOf({ n: n + 1, name: `Rêport ${n}`, jobType, key: n % 5 ? null : `key-${n}` })
    })
    for (const job of rows) await world.stores.jobs.create(job)
    const unpublished = await world.stores.jobs.listUnpublished({ rows: 100, bytes: 1e6 }, soleShare)
    await world.stores.jobs.markPublished(unpublished.rows.slice(0, 25))
    await world.stores.executions.applyStatuses(rows.slice(0, 10).map((job) => statusMessage({ job, state: 'failed' })))
    made.push(
      ...rows.map((job, n) => {
        const status = n >= 25 ? 'CREATED' : n < 10 ? 'FAILED' : 'SCHEDULED'
        return { id: job.id, name: job.spec.name, jobType: job.spec.jobType, key: job.key, status }
      }),
    )
    made.reverse()
  })

  it('gives every job that fits once, newest first, whatever the filters and the size of a page', async () => {
    const filters = fc.record(
      {
        status: fc.constantFrom('FAILED', 'CREATED', 'SCHEDULED', 'RUNNING'),
        jobType: fc.constantFrom('DUMMY', 'HTTP_CALL', 'NOPE'),
        q: fc.constantFrom('RÊPORT 1', 'key', '9', 'zzz'),
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 1, max: 40 }), async (filter, limit) => {
        const wanted = made.filter(
          (job) =>
            (!filter.status || job.status === filter.status) &&
            (!filter.jobType || job.jobType === filter.jobType) &&
            (!filter.q || [job.name, job.key].some((text) => text?.toLowerCase().includes(filter.q!.toLowerCase()))),
        )
        const rows = await listAll<JobView>(world, `/jobs?${new URLSearchParams(filter)}`, limit)
        expect(rows.map((job) => job.id)).toEqual(wanted.map((job) => job.id))
      }),
      { numRuns: 40 },
    )
  })

  it('has the cursor of the next page, and none on the last page', async () => {
    const first = await world.call<Page<JobView>>('GET', '/jobs?limit=29')
    expect(first.body.page.hasMore).toBe(true)
    expect(first.headers.link).toContain(encodeURIComponent(first.body.page.nextCursor as string))
    const last = await world.call<Page<JobView>>('GET', `/jobs?limit=29&cursor=${first.body.page.nextCursor}`)
    expect(last.body.data).toHaveLength(1)
    expect(last.body.page).toEqual({ nextCursor: null, hasMore: false })
    expect(last.headers.link).toBeUndefined()
  })

  it('scans a bounded number of rows for one page: a page may be empty although more follow', async () => {
    const ownerId = 'usr-many'
    for (let n = 0; n < 250; n++) {
      await world.stores.jobs.create(jobOf({ n: 1000 + n, ownerId, name: n === 0 ? 'needle' : 'hay' }))
    }
    const as = { user: ownerId }
    const first = await world.call<Page<JobView>>('GET', '/jobs?q=needle', undefined, as)
    expect([first.body.data.length, first.body.page.hasMore]).toEqual([0, true])
    const second = await world.call<Page<JobView>>(
      'GET',
      `/jobs?q=needle&cursor=${first.body.page.nextCursor}`,
      undefined,
      as,
    )
    expect(second.body.data.map((job) => job.name)).toEqual(['needle'])
    expect(second.body.page.hasMore).toBe(false)
  })

  it.each([
    ['limit=0', '?limit'],
    ['limit=201', '?limit'],
    ['limit=x', '?limit'],
    ['cursor=nonsense', '?cursor'],
    ['cursor=W10', '?cursor'],
    ['cursor=WyIxOyBEUk9QIFRBQkxFIGpvYnMiXQ', '?cursor'],
    ['cursor=WzFlOTldCg', '?cursor'],
    ['status=HAPPY', '?status'],
    ['jobtype=DUMMY', '?jobtype'],
    ['q=', '?q'],
    ['q=%00', '?q'],
  ])('refuses %s and names it', async (query, pointer) => {
    const answer = await world.call('GET', `/jobs?${query}`)
    expect(answer.status).toBe(400)
    expect(pointersOf(answer.body)).toContain(pointer)
  })
})

describe('the lists of executions', () => {
  const world = useWorld()
  const job = jobOf({ n: 1 })
  const other = jobOf({ n: 2 })
  const ids: string[] = []
  beforeAll(async () => {
    await world.stores.jobs.create(job)
    await world.stores.jobs.create(other)
    const messages = Array.from({ length: 40 }, (_, n) =>
      // Four are due at the same millisecond each time.
      statusMessage({
        job: n % 4 ? job : other,
        executionId: `exe-${(monday + Math.floor(n / 4)).toString(36)}-01900000-0000-7000-8000-${n.toString().padStart(12, '0')}`,
        fireAt: monday + Math.floor(n / 4),
        state: n % 8 === 1 ? 'failed' : 'succeeded',
      }),
    )
    await world.stores.executions.applyStatuses(messages)
    ids.push(...messages.map((message) => message.executionId).reverse())
  })

  it.each([1, 3, 7, 40, 200])('give each once, newest fire time first, %d a page', async (limit) => {
    const all = await listAll<ExecutionView>(world, '/executions', limit)
    expect(all.map((one) => one.fireAt)).toEqual(
      all
        .map((one) => one.fireAt)
        .toSorted()
        .reverse(),
    )
    expect(all.map((one) => one.id).toSorted()).toEqual(ids.toSorted())
    const ofJob = await listAll<ExecutionView>(world, `/jobs/${job.id}/executions`, limit)
    expect(ofJob.map((one) => one.id)).toEqual(all.filter((one) => one.jobId === job.id).map((one) => one.id))
    const failed = all.filter((one) => one.status === 'FAILED').map((one) => one.id)
    expect((await listAll<ExecutionView>(world, '/executions?status=FAILED', limit)).map((one) => one.id)).toEqual(
      failed,
    )
    expect((await listAll<ExecutionView>(world, '/dead-letters', limit)).map((one) => one.id)).toEqual(failed)
    expect(failed).toHaveLength(5)
  })

  it('filter by type, and refuse the cursor of another list', async () => {
    expect(await listAll(world, '/executions?jobType=HTTP_CALL', 50)).toEqual([])
    const { body } = await world.call<Page<JobView>>('GET', '/jobs?limit=1')
    const answer = await world.call('GET', `/executions?cursor=${body.page.nextCursor}`)
    expect(answer.status).toBe(400)
  })
})
