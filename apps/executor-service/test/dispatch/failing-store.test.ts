import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Execution } from '../../src/executions/execution.ts'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { executionId, executions, start } from '../samples.ts'
import { countedStore } from '../store/counted-store.ts'
import { openWorld } from '../world.ts'

type Counted = Parameters<typeof countedStore>[0]

/** An executor that reads pages of five, of whose writes `failing` fails; twenty of these are ready and due. */
async function openFailing(failing: string, ofEach: Partial<Execution>, counted: Counted) {
  const db = await openMemoryDatabase(migrations)
  onTestFinished(() => db.close())
  const clock = createManualClock(start)
  const { counts, wrapStores } = countedStore(counted)
  const world = await openWorld({ db, clock, config: { executorPollRows: 5 }, wrapStores })
  world.failing.add(failing)
  const due = executions(20, (n) => ({ id: executionId(n), runAt: start, ...ofEach }))
  await createSqliteStores(db, clock).executions.insertMany(due, start)
  await world.pass(1000, 5)
  counts.calls = 0
  await world.pass(2000, 5)
  const { calls } = counts
  world.failing.clear()
  await world.pass(5000, 50)
  return { calls, last: await world.read(executionId(20)) }
}

describe('while the store is read and takes no write, what is due is searched for once a period, and not as fast as the store fails', () => {
  it('when it cannot be claimed', async () => {
    const { calls, last } = await openFailing('executions.claim', {}, 'listDue')
    expect(calls).toBeLessThanOrEqual(20)
    expect(last).toMatchObject({ state: 'succeeded', losses: 0 })
  })

  it('when it is too late and cannot be ended', async () => {
    const late = { jobType: 'GONE', pool: 'other', expiresAt: start - 1 } as const
    const { calls, last } = await openFailing('executions.expire', late, 'listExpired')
    expect(calls).toBeLessThanOrEqual(4)
    expect(last.state).toBe('expired')
  })

  it('when it is of a job type that this executor does not have, and cannot be handed over', async () => {
    const { calls, last } = await openFailing('executions.hand-over', { jobType: 'GONE' }, 'listDue')
    expect(calls).toBeLessThanOrEqual(10)
    expect(last).toMatchObject({ state: 'ready', pool: 'other' })
  })
})
