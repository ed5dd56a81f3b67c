import { createLog, createManualClock, createMetrics } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { createAttemptRunner } from '../../src/attempts/attempt-runner.ts'
import { createCheckpoints } from '../../src/attempts/checkpoints.ts'
import { createEngine } from '../../src/attempts/engine.ts'
import { createAttemptOutput } from '../../src/attempts/output.ts'
import { createStarts } from '../../src/attempts/starts.ts'
import { createDispatcher } from '../../src/dispatch/dispatcher.ts'
import { createRoom } from '../../src/dispatch/room.ts'
import { createSlots } from '../../src/dispatch/slots.ts'
import { createExecutionChanges } from '../../src/executions/changes.ts'
import { createExecutorMetrics } from '../../src/metrics.ts'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { claimedExecution, start } from '../samples.ts'
import { testHandler } from '../world.ts'

it('an attempt that has its slot when the process is stopped does not start once it is given back', async () => {
  const db = await openMemoryDatabase(migrations)
  onTestFinished(() => db.close())
  const clock = createManualClock(start)
  const log = createLog({ level: 'silent' })
  const stores = createSqliteStores(db, clock)
  const calls: string[] = []
  const handler = testHandler((_, { executionId }) => void calls.push(executionId))
  const types = new Map([[handler.type, handler]])
  const metrics = createExecutorMetrics(createMetrics().forService('test'), types)
  const common = { stores, clock, log, metrics, changes: createExecutionChanges(), storeRetryMs: 1000 }

  let looks = 0
  // The process is stopped between the dispatcher's look at the lease and the engine's.
  let mayStart = () => {
    looks += 1
    return looks === 1
  }
  const identity = { name: 'me', isEnlisted: true, mayStart: () => mayStart() }
  const limits = { io: 2, cpu: 2 }
  const output = createAttemptOutput({
    ...common,
    limits: { log: { lines: 1, bytes: 1, lineBytes: 1 }, artifacts: 1, artifactBytes: 1 },
    flushMs: 1000,
  })
  const starts = createStarts({ ...common, executions: stores.executions, shownMs: 1000 })
  const runner = createAttemptRunner({
    ...common,
    output,
    checkpoints: createCheckpoints(stores),
    secrets: { valuesFor: async () => new Map() },
    abortGraceMs: 0,
  })
  const engine = createEngine({ ...common, identity, starts, runner, output, random: () => 0 })
  const room = createRoom({ clock, limits, ahead: 2, heldSize: 1_000_000, ownerShare: 1, hasFreeSlot: () => false })
  const slots = createSlots({ limits, ownerShare: 1 })
  const dispatcher = createDispatcher({
    ...common,
    handlers: types,
    room,
    slots,
    engine,
    identity,
    shutdownGraceMs: 0,
    abortGraceMs: 0,
  })

  const [stored] = await stores.executions.insertMany([claimedExecution({ owner: 'me', runAt: start })], start)
  if (!stored) throw new Error('it is not stored')
  room.take(stored.execution, stored.size)
  dispatcher.start(dispatcher.hold(stored))
  expect(looks).toBe(2)
  // It goes on, finds that it was taken for dead, and takes another name.
  identity.isEnlisted = false
  dispatcher.abandon()
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 5))
  mayStart = () => true
  await clock.advance(1000)
  await expect.poll(() => dispatcher.held.size).toBe(0)
  expect(calls).toEqual([])
})
