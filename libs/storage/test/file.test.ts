import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openStoreThread, type StoreThread } from '../src/sqlite/index.ts'

const bells = { name: 'bells', sql: 'CREATE TABLE bells (n INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT' }
const ringer = fileURLToPath(new URL('./ringer.ts', import.meta.url))
const insertSql = 'INSERT INTO bells (name) VALUES (?)'

describe('a store file', () => {
  let folder: string
  let path: string
  let store: StoreThread
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'belfry-storage-'))
    path = join(folder, 'bells.db')
    store = openStoreThread({ busyTimeoutMs: 0 })
  })
  afterEach(async () => {
    await store.close()
    rmSync(folder, { recursive: true })
  })

  const count = async (db: Database) => (await db.read(db.statement('SELECT count(*) FROM bells'), []))[0]?.[0]
  const add = (db: Database, name: string) => db.write('add', [{ statement: db.statement(insertSql), params: [name] }])

  it('is there again after it was closed, in one file that only its owner can read', async () => {
    const first = await store.open(path, [bells])
    await add(first, 'Emma')
    for (const end of ['', '-wal']) expect(statSync(path + end).mode & 0o777).toBe(0o600)
    await first.close()
    expect(existsSync(`${path}-wal`)).toBe(false)
    expect(await count(await store.open(path, [bells]))).toBe(1)
  })

  it('writes every commit through to the disk', async () => {
    const db = await store.open(path, [])
    const pragma = async (name: string) => (await db.read(db.statement(`PRAGMA ${name}`), []))[0]?.[0]
    expect(await pragma('journal_mode')).toBe('wal')
    expect(await pragma('synchronous')).toBe(2)
    expect(await pragma('wal_autocheckpoint')).toBe(16_000)
  })

  it('keeps its write-ahead log within bounds', async () => {
    const small = openStoreThread({ checkpointPages: 20 })
    const db = await small.open(path, [bells])
    for (let i = 0; i < 100; i += 1) await add(db, `bell ${i} ${'x'.repeat(2000)}`)
    expect(statSync(`${path}-wal`).size).toBeLessThan(40 * 4200)
    await small.close()
  })

  it('applies only the migrations that it lacks, and records them', async () => {
    await (await store.open(path, [bells])).close()
    const weight = { name: 'weight', sql: 'ALTER TABLE bells ADD COLUMN weight INTEGER' }
    const db = await store.open(path, [bells, weight])
    await db.read(db.statement('SELECT weight FROM bells'), [])
    expect(await db.read(db.statement('SELECT version, name FROM belfry_schema'), [])).toEqual([
      [1, 'bells'],
      [2, 'weight'],
    ])
  })

  it('applies a migration wholly or not at all', async () => {
    const broken = { name: 'broken', sql: 'CREATE TABLE clappers (n INTEGER) STRICT; CREATE TABLE bells (n INTEGER)' }
    await expect(store.open(path, [bells, broken])).rejects.toMatchObject({ code: 'failed' })
    const mended = { name: 'mended', sql: 'CREATE TABLE clappers (n INTEGER) STRICT' }
    const db = await store.open(path, [bells, mended])
    expect(await db.read(db.statement('SELECT n FROM clappers'), [])).toEqual([])
  })

  it('refuses a file that a newer Belfry wrote', async () => {
    await (await store.open(path, [bells, { name: 'later', sql: 'SELECT 1' }])).close()
    await expect(store.open(path, [bells])).rejects.toMatchObject({
      code: 'schema-newer',
      message: expect.stringMatching(/bells\.db: .*version 2, this Belfry knows 1/),
    })
  })

  it('refuses a file whose migrations were other ones', async () => {
    await (await store.open(path, [bells])).close()
    const renamed = { ...bells, name: 'chimes' }
    await expect(store.open(path, [renamed])).rejects.toMatchObject({ code: 'failed' })
  })

  it('says that a file is no database', async () => {
    writeFileSync(path, 'not a database, but long enough to have a header '.repeat(10))
    await expect(store.open(path, [bells])).rejects.toMatchObject({ code: 'corrupt' })
    await expect(store.open(join(folder, 'no', 'such', 'folder.db'), [])).rejects.toMatchObject({ code: 'failed' })
  })

  it('rejects all calls of the drain when the disk is full, and works again once it is not', async () => {
    const db = await store.open(path, [bells])
    const other = await store.open(join(folder, 'other.db'), [bells])
    await add(db, 'Emma')
    await db.read(db.statement('PRAGMA max_page_count = 10'), [])
    const outcomes = await Promise.allSettled([
      add(db, 'Gabriel'),
      add(db, 'x'.repeat(100_000)),
      count(db),
      add(other, 'Gabriel'),
    ])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected', 'rejected', 'fulfilled'])
    for (const outcome of outcomes.slice(0, 3)) expect(outcome).toMatchObject({ reason: { code: 'disk-full' } })
    expect(await count(db)).toBe(1)
    await db.read(db.statement('PRAGMA max_page_count = 100000'), [])
    await add(db, 'x'.repeat(100_000))
    expect(await count(db)).toBe(2)
  })

  it('is closed to every other program while it is open, and open to them afterwards', async () => {
    const db = await store.open(path, [bells])
    await add(db, 'Bourdon')
    const stranger = spawnSync(process.execPath, [ringer, path], { encoding: 'utf8' })
    expect(stranger).toMatchObject({ status: 1, stdout: '' })
    expect(stranger.stderr).toContain(`${path}: another process has this file open`)
    expect(await count(db)).toBe(1)
    expect(existsSync(`${path}-shm`)).toBe(false)
    await db.close()
    expect(spawnSync(process.execPath, [ringer, path], { encoding: 'utf8' }).stderr).toBe('')
  }, 30_000)

  it('says so when another program has it open, and changes nothing in it', async () => {
    const stranger = new DatabaseSync(path)
    stranger.exec('CREATE TABLE theirs (n INTEGER); BEGIN EXCLUSIVE')
    await expect(store.open(path, [bells])).rejects.toMatchObject({ code: 'locked' })
    stranger.exec('COMMIT')
    expect(stranger.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'theirs' }])
    expect(stranger.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'delete' })
    stranger.close()
    expect(await count(await store.open(path, [bells]))).toBe(0)
  })
})
