import { isRefusal } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { StorageError } from '@belfry/storage'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { admitClaims } from '../../src/admission/admit-claims.ts'
import { fence } from '../../src/admission/fence.ts'
import { createExecutionChanges } from '../../src/executions/changes.ts'
import type { Execution } from '../../src/executions/execution.ts'
import { claim, lose } from '../../src/executions/transitions.ts'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { execution, executionId, jobId, start } from '../samples.ts'

describe('a claim that this executor has lost while its admission was asked', () => {
  it('leaves the claim of the next executor as it is', async () => {
    const db = await openMemoryDatabase(migrations)
    onTestFinished(() => db.close())
    const stores = createSqliteStores(db, createManualClock(start))
    const taken = (next: ReturnType<typeof claim>): Execution => {
      if (isRefusal(next)) throw new Error(next.detail)
      return next
    }
    const [stored] = await stores.executions.insertMany([taken(claim(execution(), { owner: 'one' }))], start)
    if (!stored) throw new Error('not inserted')
    const lost = taken(lose(stored.execution, { epoch: 1, at: start, inDoubt: true }))
    const next = taken(claim(lost, { owner: 'two' }))
    const { rowId } = stored
    await stores.executions.compareAndSetMany('lose', [{ rowId, from: stored.execution, to: lost }], start)
    await stores.executions.compareAndSetMany('claim', [{ rowId, from: lost, to: next }], start)
    await fence(
      stores,
      jobId(),
      [{ version: 2, kind: 'cancel', changedAt: start, schedule: { kind: 'manual' } }],
      start,
    )

    const { starts } = await admitClaims(
      { ...stores, changes: createExecutionChanges(), placeRecheckMs: 5000, placeGraceMs: 0 },
      [stored],
      start + 1000,
    )
    expect(starts).toEqual([])
    const [record] = await stores.executions.find([executionId()])
    expect(record?.execution).toMatchObject({ state: 'running', epoch: 2, owner: 'two', cancelRequested: true })
  })
})

describe('a claim that must not start, and whose end is not stored for certain', () => {
  it('is neither started nor asked again, but given back', async () => {
    const db = await openMemoryDatabase(migrations)
    onTestFinished(() => db.close())
    const stores = createSqliteStores(db, createManualClock(start))
    const running = claim(execution(), { owner: 'one' })
    if (isRefusal(running)) throw new Error(running.detail)
    const [stored] = await stores.executions.insertMany([running], start)
    if (!stored) throw new Error('not inserted')
    const cancel = { version: 2, kind: 'cancel', changedAt: start, schedule: { kind: 'manual' } } as const
    await fence(stores, jobId(), [cancel], start)
    const lost = new StorageError('outcome-unknown', 'no answer')
    const compareAndSetMany = () => Promise.reject(lost)

    const admitted = await admitClaims(
      {
        admissions: stores.admissions,
        executions: { ...stores.executions, compareAndSetMany },
        changes: createExecutionChanges(),
        placeRecheckMs: 5000,
        placeGraceMs: 0,
      },
      [stored],
      start,
    )
    expect(admitted).toEqual({ starts: [], early: [], ended: [], asked: [], undecided: [stored], error: lost })
  })
})
