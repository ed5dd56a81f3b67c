import { describe, expect, it, onTestFinished } from 'vitest'
import type { Stores } from '../../src/store/ports.ts'
import { command, executionId, jobId, policy, start } from '../samples.ts'
import { type Call, openWorld } from '../world.ts'
import { createDocumentStores } from './document-stores.ts'
import { createMongoStores, mongoUrl } from './mongo-stores.ts'

const day = 86_400_000
const overlap = policy({ overlap: { policy: 'skip', limit: 1 } })
const due = (number: number, change: Parameters<typeof command>[0] = {}) =>
  command({ executionId: executionId(number), fireAt: start + 10 * number, ...change })

async function run({ params, context }: Call): Promise<unknown> {
  context.log('info', 'at work')
  context.artifact('a.txt', 'text/plain', 'made')
  await new Promise<void>((resolve) => context.clock.callAfter(Number(params.ms ?? 1), resolve))
  if (params.fails && context.epoch === 1) throw new Error('It did not work.')
  return params.text === undefined ? null : String(params.text).length
}

/** The document databases, each with the stores of a new one. */
const databases: readonly (readonly [name: string, create: () => Promise<Stores>])[] = [
  ...[1, 2, 3].map((seed) => [`Maps, answers in order ${seed}`, async () => createDocumentStores(seed)] as const),
  ...(mongoUrl === undefined ? [] : ([['MongoDB', createMongoStores]] as const)),
]

/** The stores, closed when the test has ended. */
async function opened(create: () => Promise<Stores>): Promise<Stores> {
  const stores = await create()
  onTestFinished(() => stores.close())
  return stores
}

describe.each(databases)('an executor on a document database (%s)', (_, create) => {
  it('runs, retries, skips, cancels and publishes', async () => {
    const stores = await opened(create)
    const world = await openWorld({ stores, run, config: { executorIoConcurrency: 5 } })
    const commands = [
      ...Array.from({ length: 20 }, (_, n) => due(n + 1)),
      due(21, { params: { fails: true } }),
      due(22, { params: { text: 'x'.repeat(10_000) } }),
      due(23, { jobId: jobId(2), policy: overlap, params: { ms: 900 } }),
      due(24, { jobId: jobId(2), policy: overlap, fireAt: start + 500 }),
      due(25, { policy: policy({ onLostLease: 'fail' }) }),
      due(26, { jobId: jobId(3), fireAt: start + 60_000 }),
    ]
    await world.command(...commands)
    await world.command(...commands.slice(10))
    await world.pass(1000, 10)
    const changes = [{ version: 2, kind: 'cancel', changedAt: start, schedule: { kind: 'manual' } }]
    const fenced = await world.internal('PUT', `/internal/admissions/${jobId(3)}`, { changes })
    expect(fenced.json()).toEqual({ fencedVersion: 2, inFlight: [] })
    await world.pass(10_000, 50)

    const records = await Promise.all(commands.map((one) => world.read(one.executionId)))
    const special = { 24: 'skipped', 26: 'cancelled' } as Record<number, string>
    expect(records.map(({ state }) => state)).toEqual(commands.map((_, n) => special[n + 1] ?? 'succeeded'))
    const calls = records.map(({ id }) => world.calls.filter(({ context }) => context.executionId === id).length)
    expect(calls).toEqual(commands.map((_, n) => (n === 20 ? 2 : special[n + 1] ? 0 : 1)))
    expect(records[21]).toMatchObject({ result: 10_000 })
    expect(records.every(({ losses, inDoubt }) => losses === 0 && inDoubt.length === 0)).toBe(true)
    const published = records.map(({ id }) => world.statuses.findLast((one) => one.executionId === id)?.seq)
    expect(published).toEqual(records.map(({ seq }) => seq))
    expect((await world.get(`/executions/${executionId(21)}/logs`)).json().data).toHaveLength(2)
    expect((await world.get(`/executions/${executionId(1)}/artifacts/a.txt`)).body).toBe('made')
  }, 60_000)
})

describe.each(databases.slice(2))('the retention of an executor on a document database (%s)', (_, create) => {
  it('deletes what is old, with all that belongs to it', async () => {
    const stores = await opened(create)
    const world = await openWorld({ stores, run, config: { executorPurgeMs: 10 * day } })
    const commands = [due(1), due(2, { params: { text: 'x'.repeat(10_000) } }), due(3, { policy: overlap })]
    await world.command(...commands)
    await world.pass(1000, 50)
    expect((await stores.logs.listOldest(null, 9)).rows).toHaveLength(3)
    await world.pass(50 * day, 10 * day)
    const left = await stores.executions.find(commands.map((one) => one.executionId))
    expect(left).toEqual([undefined, undefined, undefined])
    expect((await stores.logs.listOldest(null, 9)).rows).toEqual([])
    expect((await stores.admissions.list(null, 9)).rows).toEqual([])
    expect(await stores.artifacts.purgeOrphans(null, 9)).toEqual({ purged: 0, next: null })
  }, 60_000)
})
