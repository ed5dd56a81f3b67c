import { DatabaseSync } from 'node:sqlite'
import { isRefusal } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it } from 'vitest'
import { close } from '../../src/executions/transitions.ts'
import type { DueCursor } from '../../src/store/ports.ts'
import { createSqliteStores } from '../../src/store/sqlite/index.ts'
import { migrations } from '../../src/store/sqlite/schema.ts'
import { execution, executionId, jobId, start } from '../samples.ts'
import { describeStores } from './store.contract.ts'

describeStores('SQLite', async () => createSqliteStores(await openMemoryDatabase(migrations), createManualClock()))

/** The plans of the statements that `ask` sends. */
async function plansOf(ask: (stores: ReturnType<typeof createSqliteStores>) => Promise<unknown>): Promise<string[]> {
  const db = await openMemoryDatabase(migrations)
  const plans: string[] = []
  const explaining: Database = {
    ...db,
    async read(statement, params) {
      const rows = await db.read(db.statement(`EXPLAIN QUERY PLAN ${statement.sql}`), params)
      plans.push(...rows.map((row) => String(row[3])))
      return db.read(statement, params)
    },
  }
  await ask(createSqliteStores(explaining, createManualClock()))
  await db.close()
  return plans
}

describe('the plan of', () => {
  const share = { index: 0, instances: 1, overdueAt: start }

  it('what is due: nothing but the index, without a sort', async () => {
    const plans = await plansOf(async ({ executions }) => {
      await executions.listDue({
        now: start,
        until: start,
        due: { io: 9, cpu: 9 },
        coming: 9,
        saturated: ['usr-1'],
        scan: 9,
        share,
      })
      const query = { pool: 'io', now: start, passOver: ['usr-1'], scan: 9, limit: 9, share } as const
      await executions.listDueOfOthers({ ...query, after: [5, start, 1, 1] as unknown as DueCursor })
    })
    const searches = plans.filter((plan) => plan.includes('executions'))
    expect(searches).toHaveLength(6)
    expect(searches.filter((plan) => !plan.startsWith('SEARCH executions USING COVERING INDEX live (state=?'))).toEqual(
      [],
    )
    expect(searches.filter((plan) => plan.includes('(priority,runAt'))).toHaveLength(2)
    expect(plans.filter((plan) => plan.includes('TEMP B-TREE') && plan.includes('ORDER BY'))).toEqual([])
  })

  it('what a fence reads: only the executions of the job and the state', async () => {
    const plans = await plansOf(({ executions }) => executions.listOpen('job-1', 'running', null, 9))
    expect(plans[0]).toContain('SEARCH e USING INDEX ofJob (jobNo=? AND state=? AND rowid>?)')
    expect(plans.filter((plan) => plan.includes('TEMP B-TREE'))).toEqual([])
  })

  it('unsettled admissions: only those', async () => {
    const plans = await plansOf(({ admissions }) => admissions.listUnsettled(null, 9))
    expect(plans).toEqual(['SEARCH admissions USING INDEX unsettledAdmissions (n>?)'])
  })
})

describe('a file of the time before migration 2', () => {
  it('keeps its executions and its logs, each chunk once', () => {
    const db = new DatabaseSync(':memory:')
    db.exec(migrations[0]?.sql ?? '')
    db.exec(`INSERT INTO executions (id, jobNo, ownerNo, state, pool, priority, runAt, seq, epoch, cancelRequested, changedAt, command)
      VALUES ('exe-1', 1, 1, 0, 0, 5, 1, 1, 0, 0, 1, '{}')`)
    const insert = db.prepare('INSERT INTO logs (execution, epoch, lastSeq, at, lines) VALUES (1, 1, ?, 1, ?)')
    const lines = (...seqs: number[]) => JSON.stringify(seqs.map((seq) => ({ seq, at: 1, level: 'info', text: 'x' })))
    insert.run(2, lines(1, 2))
    insert.run(3, lines(3))
    insert.run(3, lines(3))
    insert.run(9, '[{"seq":')

    db.exec(migrations[1]?.sql ?? '')

    const kept = db.prepare('SELECT firstSeq, lastSeq FROM logs ORDER BY firstSeq').all()
    expect(kept.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([
      [1, 2],
      [3, 3],
      [9, 9],
    ])
    expect(db.prepare('SELECT id, shard FROM executions').all()).toEqual([{ id: 'exe-1', shard: 0 }])
    expect(db.prepare('SELECT n FROM outbox').all()).toHaveLength(1)
  })
})

describe('change numbers', () => {
  const at = start + 2000

  it('count on after a restart, also when everything was purged that can be', async () => {
    const db = await openMemoryDatabase(migrations)
    const heads: number[] = []
    for (let restart = 0; restart < 3; restart += 1) {
      const { executions } = createSqliteStores(db, createManualClock())
      const [stored] = await executions.insertMany([execution({ id: executionId(restart + 1) })], at)
      const closed = close(stored!.execution, 'cancelled', at)
      if (isRefusal(closed)) throw new Error(closed.detail)
      await executions.compareAndSetMany('close', [{ rowId: stored!.rowId, from: stored!.execution, to: closed }], at)
      const ended = { rowId: stored!.rowId, seq: 2 }
      await executions.markPublished([ended])
      await executions.purgeMany([ended])
      const { head } = await executions.listChanges({ after: 0, limit: 10 })
      expect((await executions.listChanges({ after: heads.at(-1) ?? 0, limit: 10 })).rows).toMatchObject([
        { id: executionId(restart + 1), seq: 2, changeNo: head },
      ])
      heads.push(head)
    }
    expect(heads).toEqual([...new Set(heads)].toSorted((one, other) => one - other))
    await db.close()
  })

  it('that changed nothing do not raise the head', async () => {
    const { executions } = createSqliteStores(await openMemoryDatabase(migrations), createManualClock())
    await executions.insertMany([execution()], at)
    const before = await executions.listChanges({ after: 0, limit: 10 })
    await executions.insertMany([execution()], at)
    expect(await executions.listChanges({ after: 0, limit: 10 })).toEqual(before)
  })

  it('of a file of the time before them are the numbers of the rows', async () => {
    const insert = `INSERT INTO executions (id, jobNo, ownerNo, state, pool, priority, runAt, seq, epoch, cancelRequested, changedAt, command)
      VALUES ('exe-1', 1, 1, 4, 0, 5, 1, 2, 0, 0, 9, '{}'), ('exe-2', 1, 1, 0, 0, 5, 1, 1, 0, 0, 5, '{}')`
    const [first, second, ...rest] = migrations
    const db = await openMemoryDatabase([first!, second!, { name: 'rows of then', sql: insert }, ...rest])
    const { executions } = createSqliteStores(db, createManualClock())
    const old = [
      { id: 'exe-1', seq: 2, changeNo: 1 },
      { id: 'exe-2', seq: 1, changeNo: 2 },
    ]
    expect(await executions.listChanges({ after: 0, limit: 10 })).toEqual({ rows: old, head: 2, hasMore: false })
    await executions.insertMany([execution()], at)
    const added = { id: executionId(1), seq: 1, changeNo: 3 }
    expect(await executions.listChanges({ after: 0, limit: 2 })).toEqual({ rows: old, head: 3, hasMore: true })
    expect(await executions.listChanges({ after: 2, limit: 2 })).toEqual({ rows: [added], head: 3, hasMore: false })
    await db.close()
  })
})

describe('an admission of the time before executions waited for places', () => {
  it('has none that waits', async () => {
    const body = JSON.stringify({ minVersion: 3, floors: [], places: ['exe-1'] })
    const insert = `INSERT INTO admissions (jobId, rev, neededAt, unsettled, body) VALUES ('${jobId()}', 4, 1, 0, '${body}')`
    const db = await openMemoryDatabase([...migrations, { name: 'rows of then', sql: insert }])
    const { admissions } = createSqliteStores(db, createManualClock())
    const old = { jobId: jobId(), minVersion: 3, floors: [], places: ['exe-1'], waiting: [], unsettled: 0, rev: 4 }
    expect(await admissions.read([jobId()])).toEqual([old])
    await db.close()
  })
})
