import { DatabaseSync } from 'node:sqlite'
import { createManualClock } from '@belfry/service'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it } from 'vitest'
import type { DueCursor } from '../../src/store/ports.ts'
import { createSqliteStores } from '../../src/store/sqlite/index.ts'
import { migrations } from '../../src/store/sqlite/schema.ts'
import { start } from '../samples.ts'
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
