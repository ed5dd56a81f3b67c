import { executionStates } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import type { RunContext } from '@belfry/worker'
import { describe, expect, it } from 'vitest'
import { horizonOf, mayForget, mayGo, mayLoseLog } from '../../src/retention/rules.ts'
import { migrations } from '../../src/store/sqlite/index.ts'
import { command, executionId, jobId, policy, sampleRowId, start } from '../samples.ts'
import { openWorld } from '../world.ts'

const day = 86_400_000
const keep = { executionsMs: 30 * day, logsMs: 7 * day }
const now = start + 100 * day
const horizon = horizonOf(now, keep)

describe('what may be cleared away', () => {
  const ended = {
    rowId: sampleRowId(),
    seq: 3,
    state: 'succeeded',
    changedAt: now - 30 * day - 1,
    isPublished: true,
  } as const

  const orphan = { rowId: sampleRowId(), execution: null }
  const chunkOf = (changedAt: number) => ({ ...orphan, at: 0, execution: { state: 'succeeded' as const, changedAt } })

  it.each(executionStates)('of executions that are %s: nothing that is ready or running', (state) => {
    expect(mayGo({ ...ended, state }, horizon)).toBe(state !== 'ready' && state !== 'running')
    const chunk = { rowId: sampleRowId(), at: 0, execution: { state, changedAt: now - 7 * day - 1 } }
    expect(mayLoseLog(chunk, horizon)).toBe(state !== 'ready' && state !== 'running')
  })

  it.each([
    ['an execution, after 30 days', mayGo(ended, horizon), true],
    ['an execution, on the 30th day', mayGo({ ...ended, changedAt: now - 30 * day }, horizon), false],
    ['an execution that was not published', mayGo({ ...ended, isPublished: false }, horizon), false],
    ['an old line of an execution that ended a week ago', mayLoseLog(chunkOf(horizon.logs), horizon), false],
    ['a log after a week', mayLoseLog(chunkOf(horizon.logs - 1), horizon), true],
    ['a log whose execution has gone', mayLoseLog({ ...orphan, at: horizon.logs - 1 }, horizon), true],
    ['a young log whose execution has gone', mayLoseLog({ ...orphan, at: horizon.logs }, horizon), false],
    [
      'an admission, after 30 days',
      mayForget({ rowId: sampleRowId(), jobId: 'job-1', rev: 1, neededAt: ended.changedAt }, horizon),
      true,
    ],
    [
      'an admission, on the 30th day',
      mayForget({ rowId: sampleRowId(), jobId: 'job-1', rev: 1, neededAt: now - 30 * day }, horizon),
      false,
    ],
  ])('%s: %s', (_, answer, expected) => expect(answer).toBe(expected))

  it('keeps no log longer than its execution', () => {
    expect(horizonOf(now, { executionsMs: 7 * day, logsMs: 8 * day })).toEqual({
      executions: now - 7 * day,
      logs: now - 7 * day,
    })
  })
})

describe('retention', () => {
  const due = (at: number, number: number) =>
    command({ executionId: executionId(number), fireAt: at, plannedAt: at, params: { number } })
  const artifact = (number: number) => `/executions/${executionId(number)}/artifacts/report`
  const logs = (number: number) => `/executions/${executionId(number)}/logs`
  const leave = {
    run: ({ context }: { context: RunContext }) => {
      context.log('info', 'a line')
      context.artifact('report', 'text/plain', 'all is well')
    },
  }

  it('clears executions away after 30 days, with all that belongs to them, and touches nothing else', async () => {
    const waits = start + 200 * day
    const world = await openWorld(leave)
    const { executions } = world.stores
    await world.command(due(start, 1), due(start, 2), { ...due(start, 3), fireAt: waits })
    await world.pass(2000, 500)
    expect((await world.get(artifact(1))).body).toBe('all is well')
    expect((await world.get(logs(1))).json().data).toHaveLength(1)

    await world.pass(8 * day, day)
    expect((await world.get(logs(1))).json().data).toEqual([])
    expect((await world.get(artifact(1))).body).toBe('all is well')

    await world.pass(23 * day, day)
    const later = world.clock.now()
    await world.command(due(later, 4))
    await world.pass(1_200_000, 600_000)
    for (const url of [artifact(1), logs(1), artifact(2)]) expect((await world.get(url)).statusCode).toBe(404)
    expect((await world.get(logs(4))).json().data).toHaveLength(1)
    const [one, two, three, four] = await executions.find([1, 2, 3, 4].map(executionId))
    expect([one, two]).toEqual([undefined, undefined])
    expect([three?.execution.state, four?.execution.state]).toEqual(['ready', 'succeeded'])
    const counts = ['outcomes', 'logs', 'artifacts', 'outbox'].map(async (table) => {
      const [row] = await world.db.read(world.db.statement(`SELECT count(*) FROM ${table}`), [])
      return row?.[0]
    })
    expect(await Promise.all(counts)).toEqual([1, 1, 1, 0])

    // The command comes once more, as a bus may repeat it: it is answered, and does not run again.
    const calls = world.calls.length
    await world.command(due(start, 1))
    await world.pass(2000, 500)
    expect(world.calls).toHaveLength(calls)
    expect(world.statuses.at(-1)).toMatchObject({ executionId: executionId(1), state: 'expired' })
  })

  it('deletes nothing by a clock that is wrong, before a start and while it runs, until a start confirms it', async () => {
    const db = await openMemoryDatabase(migrations)
    const clock = createManualClock(start)
    const open = (config = {}) => openWorld({ ...leave, db, clock, config })
    let world = await open()
    const changes = [{ version: 2, kind: 'cancel', changedAt: start, schedule: { kind: 'manual' } }]
    await world.internal('PUT', `/internal/admissions/${jobId(7)}`, { changes })
    await world.command(due(start, 1), due(start, 2))
    await world.pass(2000, 500)
    const left = async () => {
      await world.pass(1_200_000, 600_000)
      const [one] = await world.stores.executions.find([executionId(1)])
      const [admission] = await world.stores.admissions.read([jobId(7)])
      const [logged] = await world.db.read(world.db.statement('SELECT count(*) FROM logs WHERE execution = 1'), [])
      return [one?.execution.state, admission?.minVersion, logged?.[0]]
    }
    const all = ['succeeded', 2, 1]
    for (const jump of [40 * day, -80 * day, 80 * day]) {
      clock.step(jump)
      expect(await left()).toEqual(all)
      await world.stop()
      world = await open()
      expect(await left()).toEqual(all)
    }
    // A command that was planned before the clock jumped is no echo of one that has gone.
    await world.command(due(start, 3))
    await world.pass(1000, 500)
    expect(await world.read(executionId(3))).toMatchObject({ state: 'succeeded' })
    await world.stop()
    world = await open({ retentionTrustClock: true })
    expect(await left()).toEqual([undefined, undefined, 0])
    expect(await world.metric('belfry_retention_clock_ahead_seconds')).toEqual([
      'belfry_retention_clock_ahead_seconds{service="executor-service"} 0',
    ])
    await world.stop()
    await db.close()
  }, 30_000)

  it('works off any number in chunks', async () => {
    const world = await openWorld({ config: { executorPurgeRows: 7 } })
    await world.command(...Array.from({ length: 40 }, (_, i) => due(start, i + 1)))
    await world.pass(31 * day, day)
    await world.pass(10)
    const left = await world.stores.executions.listChanges({ after: 0, limit: 100 })
    expect(left).toMatchObject({ rows: [{ id: executionId(40) }], hasMore: false })
  })

  it('keeps a cancel firm as long as commands come from a scheduler that has not applied it', async () => {
    const world = await openWorld()
    const changes = [{ version: 2, kind: 'cancel', changedAt: start, schedule: { kind: 'manual' } }]
    await world.internal('PUT', `/internal/admissions/${jobId()}`, { changes })
    for (let number = 1; number <= 4; number++) {
      await world.pass(25 * day, day)
      await world.command(due(world.clock.now(), number))
      await world.pass(1000, 500)
    }
    expect(world.calls).toEqual([])
    expect(await world.read(executionId(4))).toMatchObject({ state: 'cancelled' })
    await world.pass(31 * day, day)
    expect(await world.stores.admissions.read([jobId()])).toEqual([undefined])
  })

  it('keeps the overlap place of an execution that lasts longer', async () => {
    const limited = policy({ overlap: { policy: 'skip', limit: 1 }, timeoutMs: 100 * day })
    const world = await openWorld({ run: () => new Promise(() => undefined), config: { executorAbortGraceMs: 0 } })
    await world.command({ ...due(start, 1), policy: limited })
    await world.pass(40 * day, day)
    await world.command({ ...due(world.clock.now(), 2), policy: limited })
    await world.pass(1000, 500)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'skipped', blockedBy: executionId(1) })
  })
})
