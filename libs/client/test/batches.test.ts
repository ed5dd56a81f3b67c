import { describe, expect, it } from 'vitest'
import { createBatcher } from '../src/batches.ts'
import { createClient, isProblem } from '../src/index.ts'
import { openWorld, problem } from './world.ts'

interface Item {
  name: string
}

const refused = problem(422, 'impossible').body

describe('calls of one turn', () => {
  it('are one batch, with a result or a refusal for each', async () => {
    const { url, seen } = await openWorld(({ body }) => ({
      body: {
        results: (body as Item[]).map(({ name }) =>
          name === 'b' ? { status: 422, problem: refused } : { status: 201, job: { id: name } },
        ),
      },
    }))
    const client = createClient({ url, token: 't' })
    const made = ['a', 'b', 'c'].map((name) => client.jobs.create({ jobType: 'DUMMY', name }))
    const settled = await Promise.allSettled(made)
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await made[2]).toEqual({ id: 'c' })
    expect(isProblem((settled[1] as PromiseRejectedResult).reason, 'impossible')).toBe(true)
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/jobs/batch' })
    expect(seen[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('are single calls where there is one, or where one has options of its own', async () => {
    const { url, seen } = await openWorld(() => ({ status: 201, body: { id: 'job-1' } }))
    const client = createClient({ url, token: 't' })
    await client.jobs.create({ jobType: 'DUMMY' })
    await Promise.all([
      client.jobs.create({ jobType: 'DUMMY' }, { idempotencyKey: 'mine' }),
      client.jobs.create({ jobType: 'DUMMY' }),
    ])
    expect(seen.map((one) => one.url)).toEqual(['/jobs', '/jobs', '/jobs'])
    expect(seen.map(({ headers }) => headers['idempotency-key'])).toContain('mine')
  })

  it('of triggers name jobs by id or by key', async () => {
    const { url, seen } = await openWorld(({ body }) => ({
      body: { results: (body as unknown[]).map((_item, at) => ({ status: 202, execution: { id: `exe-${at}` } })) },
    }))
    const client = createClient({ url, token: 't' })
    const id = 'job-01a22bdb-cd5c-707f-96e6-019c7b2295a3'
    const [first, second] = await Promise.all([
      client.jobs.trigger(id),
      client.jobs.trigger('nightly', { reason: 'now' }),
    ])
    expect([first.id, second.id]).toEqual(['exe-0', 'exe-1'])
    expect(seen[0]).toMatchObject({ url: '/triggers/batch', body: [{ jobId: id }, { key: 'nightly', reason: 'now' }] })
  })

  it('all fail with the batch', async () => {
    const { url, clock } = await openWorld(() => problem(403, 'forbidden'))
    const client = createClient({ url, token: 't', clock })
    const made = [client.jobs.trigger('a'), client.jobs.trigger('b')]
    for (const one of made) await expect(one).rejects.toMatchObject({ code: 'forbidden' })
  })
})

describe('a batcher', () => {
  /** The sizes of the batches; `turn` lets a turn end, `answer` a batch. */
  function open(bounds: { mostItems?: number; mostCharacters?: number; atWork?: number }) {
    const sizes: number[] = []
    const turns: (() => void)[] = []
    const answers: (() => void)[] = []
    const batcher = createBatcher<string, string>({
      ...{ mostItems: 100, mostCharacters: 1000, atWork: 2, ...bounds },
      defer: (callback) => void turns.push(callback),
      send: (items) => {
        sizes.push(items.length)
        return new Promise((resolve) => answers.push(() => resolve(items)))
      },
    })
    return { batcher, sizes, turn: () => turns.shift()?.(), answer: () => answers.shift()?.() }
  }

  it('holds to the number of items and to their length', async () => {
    const few = open({ mostItems: 2 })
    for (const name of ['a', 'b', 'c']) void few.batcher.add(name)
    few.turn()
    expect(few.sizes).toEqual([2, 1])
    const short = open({ mostCharacters: 10 })
    for (const name of ['x'.repeat(50), 'abc', 'def', 'ghi']) void short.batcher.add(name)
    short.turn()
    expect(short.sizes).toEqual([1, 2])
  })

  it('sends many calls as two batches, so that one is checked while the other one is stored', async () => {
    const { batcher, sizes, turn, answer } = open({})
    const add = (count: number) => Array.from({ length: count }, (_, n) => batcher.add(String(n)))
    const made = add(64)
    turn()
    expect(sizes).toEqual([32, 32])
    answer()
    await Promise.all(made.slice(0, 32))
    void add(32)
    turn()
    expect(sizes).toEqual([32, 32, 32])
  })

  it('lets calls wait while enough batches are under way, and makes them the next one', async () => {
    const { batcher, sizes, turn, answer } = open({ atWork: 1 })
    const first = batcher.add('a')
    turn()
    const others = ['b', 'c', 'd'].map((name) => batcher.add(name))
    turn()
    expect(sizes).toEqual([1])
    answer()
    expect(await first).toBe('a')
    await Promise.resolve()
    turn()
    expect(sizes).toEqual([1, 3])
    answer()
    expect(await Promise.all(others)).toEqual(['b', 'c', 'd'])
  })
})
