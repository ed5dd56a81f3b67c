import { createLog, createMetrics } from '@belfry/service'
import { createTcpProxy, dropMongoDatabase, peerUrl, type TcpProxy, uniqueName } from '@belfry/testkit'
import mongoose from 'mongoose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Collection, defineCollection, type MongoDatabase, openMongo } from '../../src/mongo/index.ts'

interface Note {
  readonly _id: string
  readonly rev: number
}
const notes = defineCollection<Note>({
  name: 'notes',
  schema: { _id: String, rev: Number },
  indexes: [{ fields: { rev: 1 } }],
})

const url = peerUrl('mongo') ?? ''
const name = uniqueName('storage')
const lines: string[] = []
const log = createLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } })
const options = {
  database: name,
  schemaVersion: 2,
  steps: null,
  collections: [notes],
  log,
  metrics: createMetrics().forService('test'),
}

describe.skipIf(url === '')('a MongoDB database', () => {
  afterAll(() => dropMongoDatabase(url, name))

  it('is opened again with the same indexes', async () => {
    for (const _ of [1, 2]) await (await openMongo(url, options)).close()
  })

  it('refuses calls once it is closed, and may be closed twice', async () => {
    const db = await openMongo(url, options)
    await db.close()
    await db.close()
    await expect(db.collection(notes).find('notes.find', {})).rejects.toMatchObject({ code: 'closed' })
  })

  it('refuses a schema that a newer program wrote', async () => {
    await (await openMongo(url, options)).close()
    const older = openMongo(url, { ...options, schemaVersion: 1 })
    await expect(older).rejects.toMatchObject({ name: 'StorageError', code: 'schema-newer' })
  })

  it('gets a new connection when the one in use never recovers', { timeout: 60_000 }, async () => {
    const before = mongoose.connections.length
    const db = await openMongo(url, { ...options, database: name })
    // What the driver does when it is stuck: no call gets an answer, although the server is there.
    await Promise.all(mongoose.connections.slice(before).map((one) => one.getClient().close(true)))
    const found = db.collection(notes)
    await expect.poll(() => found.count('notes.count', {}, 1).catch(String), { timeout: 40_000 }).toBe(0)
    expect(lines.join()).toContain('a new one takes its place')
    await db.close()
  })

  it('is opened although an answer is lost while its indexes are made', async () => {
    let answers = 0
    const onAnswer = (bytes: Buffer) => (bytes.includes('numIndexesAfter') && answers++ === 0 ? 'cut' : 'pass')
    const proxy = await createTcpProxy(url, { onAnswer })
    await (await openMongo(`mongodb://127.0.0.1:${proxy.port}`, options)).close()
    expect(answers).toBeGreaterThan(1)
    await proxy.close()
  })

  it('names an index that is defined otherwise', async () => {
    const odd = { ...notes, indexes: [{ fields: { rev: 1 }, unique: true } as const] }
    await expect(openMongo(url, { ...options, collections: [odd] })).rejects.toThrow(/notes has an index rev_1/)
  })

  it('gives up after a bounded time, and shows no password', async () => {
    const proxy = await createTcpProxy(url)
    await proxy.set('refuse')
    const away = `mongodb://ada:very-secret@127.0.0.1:${proxy.port}/x`
    lines.length = 0
    const error = await openMongo(away, { ...options, connectWithinMs: 1 }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'StorageError', code: 'unavailable' })
    expect(String(error)).toContain(`127.0.0.1:${proxy.port}`)
    expect(`${error} ${lines.join()}`).not.toContain('secret')
  })

  it('waits for a server that comes later', async () => {
    const proxy = await createTcpProxy(url)
    await proxy.set('refuse')
    lines.length = 0
    const opening = openMongo(`mongodb://127.0.0.1:${proxy.port}`, options)
    await expect.poll(() => lines.join(), { timeout: 10_000 }).toContain('does not answer yet')
    await proxy.set('pass')
    await (await opening).close()
    await proxy.close()
  }, 20_000)
})

describe.skipIf(url === '')('calls of a MongoDB database that fails', { timeout: 30_000 }, () => {
  const failing = uniqueName('storage')
  let proxy: TcpProxy
  let db: MongoDatabase
  let direct: MongoDatabase
  let own: Collection<Note>
  let other: Collection<Note>
  beforeAll(async () => {
    direct = await openMongo(url, { ...options, database: failing })
    other = direct.collection(notes)
  })
  beforeEach(async () => {
    proxy = await createTcpProxy(url)
    db = await openMongo(`mongodb://127.0.0.1:${proxy.port}`, { ...options, database: failing })
    own = db.collection(notes)
    await other.deleteMany('notes.clear', {})
    await other.insertManyIfAbsent(
      'notes.insert',
      [1, 2, 3, 4, 5, 6].map((n) => ({ _id: `n${n}`, rev: 1 })),
    )
  })
  afterEach(async () => {
    await db.close()
    await proxy.close()
  })
  afterAll(async () => {
    await direct.close()
    await dropMongoDatabase(url, failing)
  })

  const swapsOf = (ids: readonly string[], rev = 1) =>
    ids.map((id) => ({ id, guard: { rev }, update: { $set: { rev: rev + 1 } } }))
  const revOf = async (id: string) => (await other.findOne('notes.find', { _id: id }))?.rev

  it('rejects with unavailable, and nothing is written, while the server is away; then works again', async () => {
    await proxy.set('refuse')
    const write = own.updateOne('notes.update', { _id: 'n1' }, { $set: { rev: 9 } })
    await expect(write).rejects.toMatchObject({ name: 'StorageError' })
    const answers = await Promise.allSettled([
      own.updateOne('notes.update', { _id: 'n1' }, { $set: { rev: 9 } }),
      own.compareAndSetMany('notes.swap', swapsOf(['n1'])),
      own.compareAndSetMany('notes.swap', swapsOf(['n1', 'n2', 'n3', 'n4', 'n5'])),
      own.insertManyIfAbsent('notes.insert', [{ _id: 'n9', rev: 1 }]),
      own.find('notes.find', {}),
    ])
    for (const answer of answers) expect(answer).toMatchObject({ reason: { code: 'unavailable' } })
    expect(await revOf('n1')).toBe(1)
    await proxy.set('pass')
    await expect.poll(() => own.updateOne('n', { _id: 'n1' }, { $set: { rev: 2 } }).catch(() => false)).toBe(true)
  })

  it('rejects within seconds while the server hangs', async () => {
    await proxy.set('hang')
    const begin = performance.now()
    const write = own.updateOne('notes.update', { _id: 'n1' }, { $set: { rev: 9 } })
    await expect(write).rejects.toMatchObject({ code: 'outcome-unknown' })
    await expect(own.find('notes.find', {})).rejects.toMatchObject({ code: 'unavailable' })
    expect(performance.now() - begin).toBeLessThan(15_000)
  })

  it('says outcome-unknown for a write whose answer is lost', async () => {
    await proxy.set('lose-answers')
    const write = own.updateOne('notes.update', { _id: 'n1' }, { $set: { rev: 9 } })
    await expect(write).rejects.toMatchObject({ code: 'outcome-unknown' })
    expect(await revOf('n1')).toBe(9)
  })

  /** Loses the answer of what `send` writes, and lets what comes after it pass. */
  async function loseAnswerOf<R>(send: () => Promise<R>, isWritten: () => Promise<boolean>): Promise<R> {
    await proxy.set('lose-answers')
    const answer = send()
    answer.catch(() => undefined)
    await expect.poll(isWritten).toBe(true)
    await proxy.set('pass')
    proxy.cut()
    return answer
  }

  it.each([
    [['n1'], 'one change'],
    [['n1', 'n2', 'n3', 'n4', 'n5'], 'a batch'],
  ])('asks again which changes of %j count when the answer is lost', async (ids) => {
    await other.updateOne('notes.update', { _id: 'n5' }, { $set: { rev: 7 } })
    const isWritten = async () => (await revOf('n1')) === 2
    const answer = await loseAnswerOf(() => own.compareAndSetMany('notes.swap', swapsOf(ids)), isWritten)
    expect(answer).toEqual(ids.map((id) => id !== 'n5'))
    expect(await revOf('n1')).toBe(2)
  })

  it('asks again which records were new when the answer is lost', async () => {
    const records = ['n6', 'n7'].map((_id) => ({ _id, rev: 3 }))
    const isWritten = async () => (await revOf('n7')) === 3
    const answer = await loseAnswerOf(() => own.insertManyIfAbsent('notes.insert', records), isWritten)
    expect(answer).toEqual([false, true])
  })

  it('rejects with outcome-unknown when the second answer is lost as well', async () => {
    await proxy.set('lose-answers')
    const swaps = own.compareAndSetMany('notes.swap', swapsOf(['n1', 'n2', 'n3', 'n4', 'n5']))
    await expect(swaps).rejects.toMatchObject({ code: 'outcome-unknown' })
    expect(await revOf('n1')).toBe(2)
  })
})
