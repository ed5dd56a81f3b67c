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
  const share = { index: 0, executors: 1, overdueAt: start }

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
