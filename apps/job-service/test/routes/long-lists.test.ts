import type { ExecutionView, JobView, ListedExecutionView, ListedJobView, Page } from '@belfry/contracts'
import { listedExecutionView, listedJobView } from '@belfry/contracts'
import { beforeAll, describe, expect, it } from 'vitest'
import { jobOf, monday, statusMessage } from '../fixtures.ts'
import { listAll, useWorld } from '../world.ts'

const mebibyte = 1024 * 1024

describe('a list of long jobs', () => {
  const world = useWorld()
  const count = 12
  const params = { text: 'x'.repeat(250_000) }
  beforeAll(async () => {
    for (let n = 1; n <= count; n++) await world.stores.jobs.create(jobOf({ n, params }))
  })
  const page = async (query = '') => (await world.call<Page<ListedJobView>>('GET', `/jobs?limit=200${query}`)).body

  it('leaves params out, and fits all of them on one page', async () => {
    const { data, page: end } = await page()
    expect([data.length, end.hasMore]).toEqual([count, false])
    for (const job of data) {
      expect(job).not.toHaveProperty('params')
      expect(listedJobView.parse(job)).toEqual(job)
    }
    const { body } = await world.call<JobView>('GET', `/jobs/${data[0]?.id}`)
    expect(body.params).toEqual(params)
  })

  it('shows params where they are asked for, and cuts its pages at 1 MiB', async () => {
    const first = await page('&fields=params')
    expect(first.data).toHaveLength(4)
    expect(Buffer.byteLength(JSON.stringify(first))).toBeLessThanOrEqual(mebibyte)
    expect(first.data[0]?.params).toEqual(params)
    const all = await listAll<ListedJobView>(world, '/jobs?fields=params', 200)
    expect(all.map((job) => job.id)).toEqual((await page()).data.map((job) => job.id))
  })

  it('names the nearest field for one that it does not have', async () => {
    const refused = await world.call('GET', '/jobs?fields=param')
    expect([refused.status, refused.body.errors]).toMatchObject([400, [{ pointer: '?fields', suggestion: 'params' }]])
  })
})

describe('the lists of long executions', () => {
  const world = useWorld()
  const count = 40
  const result = { rows: 'r'.repeat(60_000) }
  const own = { payload: 'p'.repeat(100_000) }
  let job: JobView
  let triggered: ExecutionView
  beforeAll(async () => {
    job = (await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 7 } })).body
    const stored = await world.stores.jobs.find('usr-a', job.id)
    if (!stored) throw new Error('the job is gone')
    triggered = (await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`, { params: own })).body
    const said = Array.from({ length: count }, (_, n) =>
      statusMessage({ job: stored, fireAt: monday + n, state: 'failed', result }),
    )
    await world.stores.executions.applyStatuses(said)
  })
  const lists = () => ['/executions', `/jobs/${job.id}/executions`, '/dead-letters']

  it('leave params and result out, and show them where they are asked for', async () => {
    for (const path of lists()) {
      const { data } = (await world.call<Page<ListedExecutionView>>('GET', `${path}?limit=200`)).body
      expect(data.length).toBeGreaterThanOrEqual(count)
      for (const one of data) {
        expect(one).not.toHaveProperty('params')
        expect(one).not.toHaveProperty('result')
        expect(listedExecutionView.parse(one)).toEqual(one)
      }
      const one = (await world.call<Page<ListedExecutionView>>('GET', `${path}?limit=1&fields=params`)).body.data[0]
      expect([one?.params !== undefined, one && 'result' in one]).toEqual([true, false])
      expect((await world.call('GET', `${path}?fields=results`)).body.errors).toMatchObject([{ suggestion: 'result' }])
    }
  })

  it('cut their pages at 1 MiB, and go on from there', async () => {
    for (const path of lists()) {
      const { data, page } = (await world.call<Page<ListedExecutionView>>('GET', `${path}?limit=200&fields=result`))
        .body
      expect(data.length).toBeLessThan(20)
      expect(page.hasMore).toBe(true)
      expect(Buffer.byteLength(JSON.stringify({ data, page }))).toBeLessThanOrEqual(mebibyte)
      const all = await listAll<ListedExecutionView>(world, `${path}?fields=result`, 200)
      const plain = await listAll<ListedExecutionView>(world, path, 200)
      expect(all.map((one) => one.id)).toEqual(plain.map((one) => one.id))
      expect(all.filter((one) => one.status === 'FAILED').every((one) => one.result !== null)).toBe(true)
    }
  })

  it('show less than the single execution, which has its params and result', async () => {
    const read = async (id: string) => (await world.call<ExecutionView>('GET', `/executions/${id}`)).body
    expect(triggered.params).toEqual(own)
    expect((await read(triggered.id)).params).toEqual(own)
    const stored = await world.stores.jobs.find('usr-a', job.id)
    await world.executor.publish(statusMessage({ job: stored!, executionId: triggered.id, state: 'succeeded', result }))
    expect(await read(triggered.id)).toMatchObject({ status: 'SUCCESS', params: own, result })
    const [scheduled] = await listAll<ListedExecutionView>(world, '/dead-letters', 200)
    expect(await read(scheduled?.id ?? '')).toMatchObject({ params: { durationMs: 7 }, result })
  })
})

describe('the lists of one user', () => {
  const world = useWorld({ jobListsAtWork: 2, jobListsWaiting: 3 })

  it('are read a few at a time, a few more wait, and the rest is refused', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => world.call('GET', '/jobs?q=zzz')))
    const refused = answers.filter((answer) => answer.status !== 200)
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(5)
    expect(refused.length).toBeGreaterThan(0)
    for (const { status, body, headers } of refused) {
      expect([status, body.code, headers['retry-after']]).toEqual([429, 'too-many-requests', '1'])
    }
    expect((await world.call('GET', '/jobs')).status).toBe(200)
  })

  it('hold up neither the lists of another user nor other requests', async () => {
    const { body: job } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    const flood = Array.from({ length: 40 }, () => world.call('GET', '/executions'))
    const others = await Promise.all([
      world.call('GET', '/jobs', undefined, { user: 'usr-b' }),
      world.call('POST', `/jobs/${job.id}/trigger`),
      world.call('GET', `/jobs/${job.id}/status`),
      world.call('POST', `/jobs/${job.id}/cancel`),
    ])
    expect(others.map((answer) => answer.status)).toEqual([200, 202, 200, 200])
    expect((await Promise.all(flood)).some((answer) => answer.status === 429)).toBe(true)
  })
})
