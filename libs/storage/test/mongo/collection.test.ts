import { createLog, createMetrics } from '@belfry/service'
import { dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Collection, defineCollection, type MongoDatabase, openMongo, where } from '../../src/mongo/index.ts'

interface Task {
  readonly _id: string
  readonly rev: number
  readonly dueAt: number | null
  readonly bytes: number
  readonly body: string
}

const tasks = defineCollection<Task>({
  name: 'tasks',
  schema: { _id: String, rev: Number, dueAt: Number, bytes: Number, body: String },
  indexes: [{ fields: { dueAt: 1, _id: 1 } }],
})

const task = (_id: string, change: Partial<Task> = {}): Task => ({
  _id,
  rev: 1,
  dueAt: null,
  bytes: 10,
  body: '{}',
  ...change,
})

const swap = ({ _id, rev }: Task, body = 'swapped') => ({
  id: _id,
  guard: { rev },
  update: { $set: { rev: rev + 1, body } },
})

const url = peerUrl('mongo') ?? ''
const log = createLog({ level: 'fatal' })
const options = (database: string) => ({
  database,
  schemaVersion: 1,
  steps: null,
  collections: [tasks],
  log,
  metrics: createMetrics().forService('test'),
})

describe.skipIf(url === '')('a collection on MongoDB', () => {
  const name = uniqueName('storage')
  let db: MongoDatabase
  let all: Collection<Task>
  beforeAll(async () => {
    db = await openMongo(url, options(name))
    all = db.collection(tasks)
  })
  afterAll(async () => {
    await db.close()
    await dropMongoDatabase(url, name)
  })

  const insert = async (prefix: string, count: number, change: (index: number) => Partial<Task> = () => ({})) => {
    const made = Array.from({ length: count }, (_, index) =>
      task(`${prefix}-${String(index).padStart(4, '0')}`, change(index)),
    )
    expect(await all.insertManyIfAbsent('tasks.insert', made)).toEqual(made.map(() => true))
    return made
  }

  it('lets one of several changes of a record count, also in a batch', async () => {
    const rows = await insert('rival', 6)
    const swaps = [...rows, ...rows].map((one, index) => swap(one, `swap ${index}`))
    const expected = swaps.map((_, index) => index < rows.length)
    expect(await all.compareAndSetMany('test.swap', swaps)).toEqual(expected)
  })

  it('makes one change for many records, and tells which of them took it', async () => {
    const made = await insert('alike', 600, (index) => ({ rev: index % 3 === 0 ? 2 : 1 }))
    const ids = made.map(({ _id }) => _id).toReversed()
    const change = [
      { $set: { rev: { $add: ['$rev', 1] }, bytes: { $indexOfArray: [{ $literal: ids }, '$_id'] } } },
    ] as const
    const counted = await all.compareAndSetAlike('tasks.alike', ids, { rev: 1 }, change)
    expect(counted).toEqual(made.map(({ rev }) => rev === 1).toReversed())
    const stored = await all.find('tasks.find', { _id: where({ $in: ids }) }, { sort: { _id: -1 } })
    expect(stored.map(({ bytes }) => bytes)).toEqual(ids.map((_, index) => (counted[index] ? index : 10)))
    expect(await all.compareAndSetAlike('tasks.alike', ids, { rev: 1 }, change)).toEqual(ids.map(() => false))
  })

  it('reads linearizable by one id and by many', async () => {
    const made = await insert('linear', 3)
    const ids = made.map(({ _id }) => _id)
    const level = 'linearizable' as const
    expect(await all.find('tasks.find', { _id: ids[0]! }, { level })).toEqual([made[0]])
    expect(await all.find('tasks.find', { _id: where({ $in: ids }) }, { level, sort: { _id: 1 } })).toEqual(made)
  })

  it('gives a record back as it was stored, without the fields of the store', async () => {
    const stored = task('one', { dueAt: 1_700_000_000_123, body: '{"$set":{"a.b":1}}' })
    await all.insertManyIfAbsent('tasks.insert', [stored])
    expect(await all.findOne('tasks.find', { _id: 'one' })).toEqual(stored)
    expect(await all.findOne('tasks.find', { _id: 'none' })).toBeUndefined()
  })

  it('inserts each record once, and tells which were new', async () => {
    await insert('twice', 3)
    const again = [task('twice-0002'), task('twice-0003'), task('twice-0000'), task('twice-0003')]
    expect(await all.insertManyIfAbsent('tasks.insert', again)).toEqual([false, true, false, false])
    expect(await all.insertManyIfAbsent('tasks.insert', [])).toEqual([])
  })

  it.each([1, 3, 40, 1200])('compares and sets %i records, and tells which changes counted', async (count) => {
    const made = await insert(`swap${count}`, count)
    expect(
      await all.compareAndSetMany(
        'tasks.swap',
        made.map((one) => swap(one)),
      ),
    ).toEqual(made.map(() => true))
    expect(
      await all.compareAndSetMany(
        'tasks.swap',
        made.map((one) => swap(one)),
      ),
    ).toEqual(made.map(() => false))
    const half = made.map((one, index) => swap({ ...one, rev: index % 2 === 0 ? 2 : 1 }, 'again'))
    expect(await all.compareAndSetMany('tasks.swap', half)).toEqual(made.map((_, index) => index % 2 === 0))
    const found = await all.find('tasks.find', { _id: where({ $in: made.map(({ _id }) => _id) }) })
    expect(found.filter(({ body }) => body === 'again')).toHaveLength(Math.ceil(count / 2))
  })

  it('gives each record to one of several writers that ask in opposite orders', async () => {
    const made = await insert('race', 200)
    const writers = [made, made.toReversed(), made, made.toReversed()]
    const answers = await Promise.all(
      writers.map((rows, writer) =>
        all.compareAndSetMany(
          'tasks.swap',
          rows.map((one) => swap(one, `by ${writer}`)),
        ),
      ),
    )
    const won = new Map<string, string>()
    for (const [writer, rows] of writers.entries()) {
      for (const [index, one] of rows.entries()) {
        if (!answers[writer]?.[index]) continue
        expect(won.has(one._id)).toBe(false)
        won.set(one._id, `by ${writer}`)
      }
    }
    expect(won.size).toBe(200)
    for (const { _id, body } of await all.find('tasks.find', { _id: where({ $in: [...won.keys()] }) }))
      expect(body).toBe(won.get(_id))
  })

  it('reads a page within rows and bytes', async () => {
    await insert('page', 5, (index) => ({ dueAt: 100 - index, bytes: 40 }))
    const filter = { dueAt: where({ $gte: 0, $lte: 100 }) }
    const page = await all.findPage('tasks.due', filter, { rows: 10, bytes: 80, sort: { dueAt: 1 }, sizes: ['bytes'] })
    expect(page.rows.map(({ _id }) => _id)).toEqual(['page-0004', 'page-0003'])
    expect(page.hasMore).toBe(true)
    const first = await all.findPage('tasks.due', filter, { rows: 10, bytes: 1, sort: { dueAt: 1 }, sizes: ['bytes'] })
    expect(first.rows).toHaveLength(1)
    const whole = await all.findPage('tasks.due', filter, {
      rows: 5,
      bytes: 1000,
      sort: { dueAt: 1 },
      sizes: ['bytes'],
    })
    expect([whole.rows.length, whole.hasMore]).toEqual([5, false])
  })

  it('reads the first record of each value of a field, in either order', async () => {
    await insert('each', 6, (index) => ({ body: `each-${index % 2}`, dueAt: index }))
    const filter = { body: where({ $in: ['each-0', 'each-1', 'each-2'] }) }
    const read = async (direction: 1 | -1) => {
      const options = { sort: { dueAt: direction, _id: direction }, fields: ['_id', 'body'] } as const
      const found = await all.findFirstOfEach('tasks.read', filter, 'body', options)
      return found.sort((a, b) => (a.body < b.body ? -1 : 1))
    }
    expect(await read(1)).toEqual([
      { _id: 'each-0000', body: 'each-0' },
      { _id: 'each-0001', body: 'each-1' },
    ])
    expect((await read(-1)).map(({ _id }) => _id)).toEqual(['each-0004', 'each-0005'])
  })

  it('changes, takes, counts and removes records', async () => {
    const made = await insert('rest', 4, () => ({ dueAt: 5000 }))
    const due = { dueAt: where({ $gte: 5000, $lte: 5000 }) }
    expect(await all.count('tasks.count', due)).toBe(4)
    expect(await all.count('tasks.count', due, 2)).toBe(2)
    expect(await all.updateOne('tasks.update', { _id: 'rest-0000', rev: 1 }, { $set: { rev: 2 } })).toBe(true)
    expect(await all.updateOne('tasks.update', { _id: 'rest-0000', rev: 1 }, { $set: { rev: 2 } })).toBe(false)
    expect(await all.updateMany('tasks.update', due, { $inc: { rev: 5 } })).toBe(4)
    const taken = await all.findOneAndUpdate('tasks.take', { _id: 'rest-0001' }, [
      { $set: { rev: { $add: ['$rev', 1] } } },
    ])
    expect(taken).toEqual({ ...made[1], rev: 7 })
    const changes = made.map(({ _id }) => ({ id: _id, guard: { rev: 6 }, update: { $set: { body: 'late' } } }))
    expect(await all.updateEach('tasks.update', changes)).toBe(2)
    expect(await all.deleteEach('tasks.purge', [{ id: 'rest-0001', guard: { rev: 6 } }, { id: 'rest-0001' }])).toBe(1)
    expect(await all.deleteMany('tasks.purge', due)).toBe(3)
  })

  it('removes what matches the filter of each id', async () => {
    for (const name of ['part-a', 'part-b', 'part-c']) await insert(name, 3)
    const partsOf = (id: string) => ({ _id: where({ $gte: `${id}-`, $lt: `${id}.` }) })
    expect(await all.deleteManyOfEach('tasks.purge', ['part-b', 'part-a', 'part-d'], partsOf)).toBe(6)
    expect(await all.deleteManyOfEach('tasks.purge', [], partsOf)).toBe(0)
    expect(await all.count('tasks.count', partsOf('part-c'))).toBe(3)
    await expect(all.deleteManyOfEach('tasks.purge', ['part-c'], () => ({ _id: undefined }) as never)).rejects.toThrow(
      '_id is undefined',
    )
  })

  it('takes what looks like an operator for a value unless the adapter wrote it', async () => {
    await insert('operator', 1)
    const asked = { _id: { $gt: '' } } as never
    await expect(all.find('tasks.find', asked)).rejects.toMatchObject({ name: 'StorageError', code: 'failed' })
    await expect(all.find('tasks.find', { _id: undefined } as never)).rejects.toThrow('_id is undefined')
    const guard = { rev: { $gt: 0 } } as never
    expect(
      await all.updateEach('tasks.update', [{ id: 'operator-0000', guard, update: { $set: { body: 'x' } } }]),
    ).toBe(0)
  })

  it('refuses fields that the collection does not declare', async () => {
    await expect(all.find('tasks.find', { other: 1 } as never)).rejects.toMatchObject({ code: 'failed' })
    const update = { $set: { other: 1 } } as never
    await expect(all.updateOne('tasks.update', { _id: 'x' }, update)).rejects.toMatchObject({ code: 'failed' })
  })

  it('hands numbers out once', async () => {
    expect(await db.newestNumber('changes')).toBe(0)
    const last = await Promise.all(Array.from({ length: 20 }, () => db.nextNumbers('changes', 5)))
    expect(last.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => (index + 1) * 5))
    expect(await db.newestNumber('changes')).toBe(100)
  })
})
