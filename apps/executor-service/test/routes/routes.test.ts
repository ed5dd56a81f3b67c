import { executionChangesPage, executionsReply, jobType, pageOf } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { command, executionId, start } from '../samples.ts'
import { openWorld } from '../world.ts'

const inMs = (ms: number) => ({ fireAt: start + ms })

describe('the logs of an execution', () => {
  const talking = () =>
    openWorld({
      run: ({ context }) => {
        for (let i = 1; i <= 3; i++) context.log('info', `attempt ${context.epoch}, line ${i}`)
        if (context.epoch === 1) throw new Error('again')
      },
    })

  it('come in pages, and by attempt', async () => {
    const world = await talking()
    await world.command(command(inMs(0)))
    await world.pass(5100, 20)
    const url = `/executions/${executionId()}/logs`
    const texts: string[] = []
    let next = `${url}?limit=2`
    for (let pages = 0; next && pages < 5; pages++) {
      const answer = await world.get(next)
      expect(answer.statusCode).toBe(200)
      const { data, page } = answer.json()
      texts.push(...data.map((one: { text: string }) => one.text))
      next = page.nextCursor ? `${url}?limit=2&cursor=${page.nextCursor}` : ''
      expect(answer.headers.link === undefined).toBe(!page.hasMore)
    }
    expect(texts).toEqual([1, 2].flatMap((epoch) => [1, 2, 3].map((line) => `attempt ${epoch}, line ${line}`)))
    const second = (await world.get(`${url}?attempt=2`)).json().data
    expect(second.map((one: { epoch: number; seq: number }) => [one.epoch, one.seq])).toEqual([
      [2, 1],
      [2, 2],
      [2, 3],
    ])
  })

  it("are those of the job's viewers too, whom job-service names; its answer holds for five seconds", async () => {
    const asked: unknown[] = []
    let sees = true
    const world = await openWorld({
      run: ({ context }) => context.log('info', 'at work'),
      reachOf({ service, path, body }) {
        asked.push([service, path, body])
        return { status: 200, headers: {}, body: { sees, seesDetails: sees, mayOperate: false, mayChange: false } }
      },
    })
    await world.command(command(inMs(0)))
    const statusOf = async () => (await world.get(`/executions/${executionId()}/logs`, 'usr-2')).statusCode
    expect([await statusOf(), await statusOf()]).toEqual([200, 200])
    const body = { jobId: command(inMs(0)).jobId, userId: 'usr-2', roles: ['user'] }
    expect(asked).toEqual([['job-service', '/internal/jobs/reach', body]])
    sees = false
    await world.pass(5000, 1000)
    expect(await statusOf()).toBe(404)
    expect(await statusOf()).toBe(404)
    expect(asked).toHaveLength(2)
  })

  it('are refused with 503 to others while job-service does not say who the viewers are', async () => {
    const world = await openWorld({ reachOf: () => ({ status: 503, headers: {}, body: null }) })
    await world.command(command(inMs(0)))
    const answer = await world.get(`/executions/${executionId()}/logs`, 'usr-2')
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1'])
  })

  it("are only its owner's where the job is shared with no user", async () => {
    const world = await talking()
    await world.command(command(inMs(0)))
    const url = `/executions/${executionId()}/logs`
    expect((await world.get(url, 'usr-2')).statusCode).toBe(404)
    expect((await world.get(`/executions/${executionId(9)}/logs`)).statusCode).toBe(404)
    expect((await world.service.app.inject({ url })).statusCode).toBe(401)
  })

  it.each([
    '/executions/nonsense/logs',
    `/executions/${executionId()}/logs?cursor=nonsense`,
    `/executions/${executionId()}/logs?cursor=WzEsLTFd`,
    `/executions/${executionId()}/logs?limit=0`,
    `/executions/${executionId()}/logs?attempt=0`,
    `/executions/${executionId()}/logs?color=red`,
  ])('are refused for %s', async (url) => {
    const world = await openWorld()
    expect((await world.get(url)).statusCode).toBe(400)
  })
})

describe('an artifact', () => {
  it('is served as a file that no browser runs', async () => {
    const world = await openWorld({
      run: ({ context }) => {
        context.artifact('sales.csv', 'text/csv', 'a,b\n1,€')
        context.artifact('page.html', 'text/html', '<script>alert(1)</script>')
        context.artifact('raw.bin', 'image/png', new Uint8Array([0, 255, 1]))
      },
    })
    await world.command(command(inMs(0)))
    const of = (name: string, user?: string) => world.get(`/executions/${executionId()}/artifacts/${name}`, user)
    const csv = await of('sales.csv')
    expect([csv.statusCode, csv.body]).toEqual([200, 'a,b\n1,€'])
    expect(csv.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="sales.csv"',
      'x-content-type-options': 'nosniff',
    })
    expect((await of('page.html')).headers['content-type']).toBe('application/octet-stream')
    const png = await of('raw.bin')
    expect([png.headers['content-type'], [...png.rawPayload]]).toEqual(['image/png', [0, 255, 1]])
    expect((await of('sales.csv', 'usr-2')).statusCode).toBe(404)
    expect((await of('other.csv')).statusCode).toBe(404)
  })
})

describe('the job types', () => {
  it('are listed for users and for services', async () => {
    const world = await openWorld()
    const list = await world.get('/job-types')
    expect(
      pageOf(jobType)
        .extend({ unusable: z.array(z.unknown()) })
        .parse(list.json())
        .data.map((one) => one.type),
    ).toEqual(['TEST'])
    expect((await world.get('/job-types/TEST')).json()).toEqual(list.json().data[0])
    expect((await world.internal('GET', '/internal/job-types')).json().data).toEqual(list.json().data)
    const missing = await world.get('/job-types/TSET')
    expect([missing.statusCode, missing.json().detail]).toEqual([404, 'There is no such job type; did you mean TEST?'])
    expect(missing.json().errors).toEqual([
      { pointer: ':type', code: 'unknown-job-type', detail: 'known are TEST', suggestion: 'TEST' },
    ])
    expect((await world.service.app.inject({ url: '/internal/job-types' })).statusCode).toBe(401)
  })
})

describe('the reconcile', () => {
  it('tells what has changed since a change number, and whole states on demand', async () => {
    const world = await openWorld()
    await world.command(
      command({ executionId: executionId(1), ...inMs(0) }),
      command({ executionId: executionId(2), ...inMs(300) }),
    )
    await world.pass(400)
    const changes = async (query: string) => {
      const answer = await world.internal('GET', `/internal/executions/changes?${query}`)
      return executionChangesPage.parse(answer.json())
    }
    const { data: all } = await changes('')
    expect(all.map((one) => one.id)).toEqual([executionId(1), executionId(2)])
    const first = await changes('limit=1')
    expect(first).toEqual({ data: [all[0]], head: all[1]?.changeNo, hasMore: true })
    const rest = { data: [all[1]], head: all[1]?.changeNo, hasMore: false }
    expect(await changes(`after=${first.data[0]?.changeNo}`)).toEqual(rest)
    const bad = await world.internal('GET', '/internal/executions/changes?after=none')
    expect(bad.statusCode).toBe(400)
    const answer = await world.internal('POST', '/internal/executions/fetch', { ids: [executionId(2), executionId(9)] })
    const { data } = executionsReply.parse(answer.json())
    expect(data.map((one) => [one.executionId, one.state, one.seq])).toEqual([
      [executionId(2), 'succeeded', all[1]?.seq],
    ])
  })
})

describe('a fresh executor', () => {
  it('is ready once it has started, and not any more once it has stopped', async () => {
    const world = await openWorld()
    const ready = async () => (await world.service.app.inject({ url: '/readyz' })).statusCode
    await world.get('/job-types')
    expect(await ready()).toBe(200)
  })

  it('reads its configuration', async () => {
    const world = await openWorld()
    expect(await world.metric('belfry_executor_slots')).toContainEqual(
      expect.stringMatching(/pool="io",state="free"\} 200|state="free".*200/),
    )
  })
})
