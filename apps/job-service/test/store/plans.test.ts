import { DatabaseSync } from 'node:sqlite'
import { createManualClock } from '@belfry/service'
import type { Database } from '@belfry/storage/sqlite'
import { describe, expect, it } from 'vitest'
import { createSqliteStores } from '../../src/store/sqlite/index.ts'
import { migrations } from '../../src/store/sqlite/migrations.ts'

const scans = /^SCAN (?!outbox$|u$|CONSTANT ROW$|json_each |\(subquery)/
const scansOrSorts = new RegExp(`${scans.source}|TEMP B-TREE`)

/** How SQLite would run each statement of the stores. */
function plansOf(): Map<string, string[]> {
  const sqlite = new DatabaseSync(':memory:')
  for (const { sql } of migrations) sqlite.exec(sql)
  const plans = new Map<string, string[]>()
  const statement = (sql: string) => {
    const rows = sqlite.prepare(`EXPLAIN QUERY PLAN ${sql}`).all()
    plans.set(
      sql,
      rows.map((row) => String(row.detail)),
    )
    return { sql }
  }
  createSqliteStores({ statement } as Database, createManualClock())
  sqlite.close()
  return plans
}

describe('with a million rows', () => {
  it('every statement uses an index: no full scan, no sort', () => {
    const plans = plansOf()
    expect(plans.size).toBeGreaterThan(30)
    for (const [sql, steps] of plans) {
      // The outbox holds only what is unpublished, and its reader takes the first rows of it. A constant row, a given list and a
      // subquery, whose own steps are looked at, are no tables. The first rows of 200 shared jobs at most are sorted.
      const isMerged = sql.includes('sharedNo')
      const slow = steps.filter((step) => (isMerged ? scans : scansOrSorts).test(step))
      expect(slow, sql).toEqual([])
    }
  })

  it('the running executions of a job are found by the index of those, not among all its executions', () => {
    const asking = [...plansOf()].filter(([sql]) => sql.includes('executionsAtWork'))
    expect(asking.length).toBeGreaterThan(3)
    for (const [sql, steps] of asking) {
      const found = steps.filter((step) => step.includes('executionsAtWork (jobNo=? AND status=?)'))
      expect(found.length, sql).toBe(2)
    }
  })
})
