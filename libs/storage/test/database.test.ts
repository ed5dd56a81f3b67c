import { createMetrics } from '@belfry/service'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openMemoryDatabase, openStoreThread, type StoreThread } from '../src/sqlite/index.ts'

const schema = [
  {
    name: 'bells',
    sql: `CREATE TABLE bells (n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, weight INTEGER NOT NULL DEFAULT 0,
      cast_in BLOB) STRICT`,
  },
]

const insertSql = 'INSERT INTO bells (name, weight) VALUES (?, ?) RETURNING n'
const namesSql = 'SELECT name FROM bells ORDER BY n'

describe('a database', () => {
  let db: Database
  beforeEach(async () => {
    db = await openMemoryDatabase(schema)
  })
  afterEach(() => db.close())

  const names = async () => (await db.read(db.statement(namesSql), [])).map(([name]) => name)

  it('gives back what was stored, of every kind of value', async () => {
    const insert = db.statement('INSERT INTO bells (name, weight, cast_in) VALUES (?, ?, ?)')
    const [result] = await db.write('cast', [{ statement: insert, params: ['Emma', 2 ** 40, new Uint8Array([7, 8])] }])
    expect(result).toEqual({ changes: 1, rows: [] })
    const rows = await db.read(db.statement("SELECT name, weight, cast_in, NULL, 'returning' FROM bells"), [])
    expect(rows).toEqual([['Emma', 2 ** 40, new Uint8Array([7, 8]), null, 'returning']])
  })

  it('answers with the changed rows and their count', async () => {
    await db.writeEach('cast', db.statement(insertSql), [
      ['Emma', 1],
      ['Gabriel', 2],
    ])
    const heavier = db.statement('UPDATE bells SET weight = weight + 1 RETURNING name, weight')
    const counted = db.statement('SELECT count(*) FROM bells')
    const results = await db.write('weigh', [
      { statement: heavier, params: [] },
      { statement: counted, params: [] },
    ])
    expect(results).toEqual([
      {
        changes: 2,
        rows: [
          ['Emma', 2],
          ['Gabriel', 3],
        ],
      },
      { changes: 0, rows: [[2]] },
    ])
  })

  it('reads a page within bytes, and says whether it was cut', async () => {
    await db.writeEach('cast', db.statement(insertSql), [
      ['x'.repeat(600), 1],
      ['y'.repeat(600), 2],
      ['z'.repeat(600), 3],
    ])
    const pageOf = async (bytes: number) => {
      const { rows, isCut } = await db.readPage(db.statement(namesSql), [], bytes)
      return [rows.map(([name]) => String(name)[0]).join(''), isCut]
    }
    expect(await pageOf(1)).toEqual(['x', true])
    expect(await pageOf(1000)).toEqual(['xy', true])
    expect(await pageOf(1800)).toEqual(['xyz', false])
    expect(await pageOf(10_000)).toEqual(['xyz', false])
    // A statement that was left half-way holds nothing up.
    await db.write('melt', [{ statement: db.statement('DELETE FROM bells'), params: [] }])
    expect(await db.readPage(db.statement(namesSql), [], 10)).toEqual({ rows: [], isCut: false })
  })

  it('answers the first of a multi-get within bytes', async () => {
    await db.writeEach('cast', db.statement(insertSql), [
      ['x'.repeat(600), 1],
      ['y'.repeat(600), 2],
    ])
    const byWeight = db.statement('SELECT name FROM bells WHERE weight = ?')
    const lengths = async (bytes: number) =>
      (await db.readEachPage(byWeight, [[1], [9], [2], [1]], bytes)).map((row) => row && String(row[0]).length)
    expect(await lengths(1)).toEqual([600])
    expect(await lengths(601)).toEqual([600, undefined, 600])
    expect(await lengths(10_000)).toEqual([600, undefined, 600, 600])
    expect(await db.readEachPage(byWeight, [], 1)).toEqual([])
  })

  it('stores all of a list or nothing of it', async () => {
    const insert = db.statement(insertSql)
    const twice = db.write('cast', [
      { statement: insert, params: ['Emma', 1] },
      { statement: insert, params: ['Emma', 2] },
    ])
    await expect(twice).rejects.toMatchObject({ name: 'StorageError', code: 'constraint' })
    expect(await names()).toEqual([])
  })

  it('keeps the other lists of the same turn when one fails', async () => {
    const insert = db.statement(insertSql)
    const outcomes = await Promise.allSettled([
      db.write('cast', [{ statement: insert, params: ['Emma', 1] }]),
      db.writeEach('cast', insert, [
        ['Gabriel', 2],
        ['Emma', 3],
        ['Peter', 4],
      ]),
      db.write('cast', [{ statement: insert, params: ['Emma', 5] }]),
      db.write('cast', [
        { statement: insert, params: ['Pummerin', 6] },
        { statement: insert, params: ['Emma', 7] },
      ]),
      db.writeEach('cast', insert, [
        ['Savoyarde', 8],
        ['Maria', 9],
      ]),
    ])
    expect(outcomes.map((outcome) => outcome.status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    expect(await names()).toEqual(['Emma', 'Savoyarde', 'Maria'])
  })

  it('answers inserts with the numbers of their rows, undefined where one was left out', async () => {
    await db.write('cast', [
      { statement: db.statement('CREATE TABLE echoes (n INTEGER PRIMARY KEY, bell TEXT)'), params: [] },
      {
        statement: db.statement(
          `CREATE TRIGGER echo AFTER INSERT ON bells BEGIN INSERT INTO echoes VALUES (NULL, 'a'), (NULL, 'b'); END`,
        ),
        params: [],
      },
    ])
    const insert = db.statement('INSERT INTO bells (name, weight) VALUES (?, ?) ON CONFLICT DO NOTHING')
    const cast = (...names: string[]) =>
      db.insertEach(
        'cast',
        insert,
        names.map((name) => [name, 1]),
      )
    expect(await cast('Emma', 'Gabriel', 'Emma')).toEqual([1, 2, undefined])
    expect(await cast('Gabriel', 'Maria')).toEqual([undefined, 3])
    expect(await cast()).toEqual([])
    const numbers = db.read(db.statement('SELECT rowid FROM bells ORDER BY rowid'), [])
    expect(await numbers).toEqual([[1], [2], [3]])
  })

  it('undoes a batch of inserts of which one is refused', async () => {
    const insert = db.statement('INSERT INTO bells (name, weight) VALUES (?, ?)')
    const rows = [
      ['Emma', 1],
      ['Emma', 2],
    ] as const
    await expect(db.insertEach('cast', insert, rows)).rejects.toMatchObject({ code: 'constraint' })
    const returning = db.statement('INSERT INTO bells (name, weight) VALUES (?, ?) RETURNING rowid')
    await expect(db.insertEach('cast', returning, [['Maria', 1]])).rejects.toMatchObject({ code: 'failed' })
    expect(await names()).toEqual([])
  })

  it('answers a batch row by row, undefined where nothing changed', async () => {
    await db.writeEach('cast', db.statement(insertSql), [
      ['Emma', 1],
      ['Gabriel', 2],
    ])
    const swap = db.statement('UPDATE bells SET weight = ? WHERE name = ? AND weight = ? RETURNING n')
    expect(
      await db.writeEach('weigh', swap, [
        [5, 'Emma', 1],
        [5, 'Gabriel', 1],
        [6, 'Emma', 5],
      ]),
    ).toEqual([[1], undefined, [1]])
    const quiet = db.statement('UPDATE bells SET weight = ? WHERE name = ?')
    expect(
      await db.writeEach('weigh', quiet, [
        [7, 'Emma'],
        [7, 'Unknown'],
      ]),
    ).toEqual([undefined, undefined])
  })

  it('reads what was sent before, in the same turn too', async () => {
    const insert = db.statement(insertSql)
    const byName = db.statement('SELECT weight FROM bells WHERE name = ?')
    const [, seen, , many] = await Promise.all([
      db.write('cast', [{ statement: insert, params: ['Emma', 1] }]),
      db.read(byName, ['Emma']),
      db.write('cast', [{ statement: insert, params: ['Gabriel', 2] }]),
      db.readEach(byName, [['Gabriel'], ['Unknown'], ['Emma']]),
    ])
    expect(seen).toEqual([[1]])
    expect(many).toEqual([[2], undefined, [1]])
  })

  it('refuses parameters that SQLite would turn into something else, and names them', async () => {
    const insert = db.statement(insertSql)
    const bad: unknown[] = [undefined, true, new Date(0), Number.NaN, Number.POSITIVE_INFINITY, {}, [], () => 1]
    for (const value of bad) {
      const row = ['Emma', value] as [string, number]
      const refused = { code: 'failed', message: expect.stringContaining('parameter 2 of') }
      await expect(db.write('cast', [{ statement: insert, params: row }])).rejects.toMatchObject(refused)
      await expect(db.writeEach('cast', insert, [['Peter', 1], row])).rejects.toMatchObject(refused)
      await expect(db.read(insert, row)).rejects.toMatchObject(refused)
      await expect(db.readEach(insert, [row])).rejects.toMatchObject(refused)
    }
    expect(await names()).toEqual([])
  })

  it('refuses to write in a read', async () => {
    await expect(db.read(db.statement(insertSql), ['Emma', 1])).rejects.toMatchObject({ code: 'failed' })
    await expect(db.readEach(db.statement('DELETE FROM bells'), [[]])).rejects.toMatchObject({ code: 'failed' })
    expect(await names()).toEqual([])
  })

  it('says what is wrong with a statement and goes on', async () => {
    const wrong = db.statement('SELECT name FROM nowhere')
    await expect(db.read(wrong, [])).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('no such table'),
    })
    await expect(db.write('cast', [{ statement: wrong, params: [] }])).rejects.toMatchObject({ code: 'failed' })
    expect(await names()).toEqual([])
  })

  it('undoes the whole turn of a statement that rolls back, and goes on', async () => {
    const rollBack = db.statement("INSERT OR ROLLBACK INTO bells (name) VALUES ('Emma')")
    const outcomes = await Promise.allSettled([
      db.write('cast', [{ statement: db.statement(insertSql), params: ['Emma', 1] }]),
      db.write('cast', [{ statement: rollBack, params: [] }]),
    ])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected'])
    expect(await names()).toEqual([])
  })

  it('takes empty lists without asking the thread', async () => {
    expect(await db.write('cast', [])).toEqual([])
    expect(await db.writeEach('cast', db.statement(insertSql), [])).toEqual([])
    expect(await db.readEach(db.statement(namesSql), [])).toEqual([])
  })

  it('refuses a statement of another database', async () => {
    const other = await openMemoryDatabase(schema)
    const foreign = other.statement(namesSql)
    await expect(db.read(foreign, [])).rejects.toMatchObject({ code: 'failed' })
    await other.close()
  })

  it('answers all that was sent before it closes, and nothing after', async () => {
    const other = await openMemoryDatabase(schema)
    const last = other.write('cast', [{ statement: other.statement(insertSql), params: ['Emma', 1] }])
    const closed = other.close()
    await expect(other.read(other.statement(namesSql), [])).rejects.toMatchObject({ code: 'closed' })
    expect(await last).toMatchObject([{ changes: 1 }])
    await closed
    await other.close()
  })
})

describe('the store thread', () => {
  let store: StoreThread
  afterEach(() => store.close())

  it('sends all calls of a turn in one drain with one commit per database', async () => {
    store = openStoreThread()
    const [a, b] = await Promise.all([store.open(':memory:', schema), store.open(':memory:', schema)])
    const before = { ...store.counters }
    const insert = [a.statement(insertSql), b.statement(insertSql)] as const
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => [
        a.write('cast', [{ statement: insert[0], params: [`bell ${i}`, i] }]),
        b.writeEach('cast', insert[1], [
          [`bell ${i}`, i],
          [`other ${i}`, i],
        ]),
      ]).flat(),
    )
    expect(store.counters.turns - before.turns).toBe(1)
    expect(store.counters.drains - before.drains).toBe(1)
    expect(store.counters.commits - before.commits).toBe(2)
    expect(store.counters.rows - before.rows).toBe(60)
    expect(store.counters.waitingRows).toBe(0)
  })

  it('shows in the metrics what it did', async () => {
    const metricsRegistry = createMetrics()
    store = openStoreThread({ metrics: metricsRegistry.forService('standalone') })
    const db = await store.open(':memory:', schema)
    await db.writeEach('cast', db.statement(insertSql), [
      ['Emma', 1],
      ['Gabriel', 2],
    ])
    const text = await metricsRegistry.render()
    expect(text).toContain('belfry_store_rows_total{service="standalone"} 2\n')
    expect(text).toContain('belfry_store_commit_seconds_count{service="standalone"} 1\n')
    expect(text).toContain('belfry_store_waiting_rows{service="standalone"} 0\n')
  })

  it('commits nothing when a drain only reads', async () => {
    store = openStoreThread()
    const db = await store.open(':memory:', schema)
    const before = store.counters.commits
    await Promise.all([db.read(db.statement(namesSql), []), db.readEach(db.statement(namesSql), [[], []])])
    expect(store.counters.commits).toBe(before)
  })

  it('works in order over many drains', async () => {
    store = openStoreThread({ drainRowsLimit: 3 })
    const db = await store.open(':memory:', schema)
    const insert = db.statement(insertSql)
    const turns: Promise<unknown>[] = []
    for (let turn = 0; turn < 50; turn += 1) {
      turns.push(
        db.writeEach('cast', insert, [
          [`a${turn}`, turn],
          [`b${turn}`, turn],
        ]),
      )
      await new Promise(setImmediate)
    }
    await Promise.all(turns)
    const rows = await db.read(db.statement('SELECT weight FROM bells ORDER BY n'), [])
    expect(rows.map(([weight]) => weight)).toEqual(Array.from({ length: 100 }, (_, i) => Math.floor(i / 2)))
  })

  it('refuses more rows than may wait, and takes them again once it has caught up', async () => {
    store = openStoreThread({ waitingRowsLimit: 3 })
    const db = await store.open(':memory:', schema)
    const insert = db.statement(insertSql)
    const first = db.writeEach('cast', insert, [
      ['Emma', 1],
      ['Gabriel', 2],
    ])
    await expect(
      db.writeEach('cast', insert, [
        ['Peter', 1],
        ['Maria', 2],
      ]),
    ).rejects.toMatchObject({ code: 'overloaded' })
    await first
    expect(
      await db.writeEach('cast', insert, [
        ['Peter', 1],
        ['Maria', 2],
      ]),
    ).toEqual([[3], [4]])
  })

  it('refuses more bytes than may wait, but never a call that is alone', async () => {
    store = openStoreThread({ waitingBytesLimit: 1000 })
    const db = await store.open(':memory:', schema)
    const insert = db.statement(insertSql)
    const cast = (letter: string, length: number) => db.writeEach('cast', insert, [[letter.repeat(length), 1]])
    const first = cast('a', 5000)
    await expect(cast('b', 10)).rejects.toMatchObject({ code: 'overloaded' })
    expect(await first).toEqual([[1]])
    expect(await Promise.all([cast('b', 600), cast('c', 300)])).toEqual([[[2]], [[3]]])
  })

  it('rejects everything and says so once when the thread dies', async () => {
    const deaths: unknown[] = []
    store = openStoreThread({ heapMib: 16, onFatal: (error) => deaths.push(error) })
    const db = await store.open(':memory:', [])
    const tooMuch = db.statement(
      "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 400000) SELECT n, 'bell ' || n FROM c",
    )
    const [read, other] = await Promise.allSettled([db.read(tooMuch, []), db.read(db.statement('SELECT 1'), [])])
    expect(read).toMatchObject({ status: 'rejected', reason: { code: 'failed' } })
    expect(other).toMatchObject({ status: 'rejected', reason: { code: 'failed' } })
    expect(deaths).toMatchObject([{ code: 'failed', message: expect.stringContaining('store thread') }])
    await expect(db.read(db.statement('SELECT 1'), [])).rejects.toMatchObject({ code: 'failed' })
  })

  it('closes twice, and opens nothing afterwards', async () => {
    store = openStoreThread()
    const db = await store.open(':memory:', schema)
    const last = db.write('cast', [{ statement: db.statement(insertSql), params: ['Emma', 1] }])
    await Promise.all([store.close(), store.close()])
    expect(await last).toMatchObject([{ changes: 1 }])
    await expect(store.open(':memory:', schema)).rejects.toMatchObject({ code: 'closed' })
    await expect(db.read(db.statement(namesSql), [])).rejects.toMatchObject({ code: 'closed' })
  })
})
