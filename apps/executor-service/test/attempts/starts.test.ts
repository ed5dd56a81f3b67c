import { executionStatusOf } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { migrations } from '../../src/store/sqlite/index.ts'
import { command, executionId, jobId, policy, start } from '../samples.ts'
import { type Call, openWorld, type WorldOptions } from '../world.ts'

const inMs = (ms: number) => ({ fireAt: start + ms })
const atMostOnce = { policy: policy({ onLostLease: 'fail' }) }
const cancel = { changes: [{ version: 2, kind: 'cancel', changedAt: start, schedule: { kind: 'manual' } }] }
const lasting =
  (ms: number) =>
  ({ context }: Call) =>
    new Promise((resolve) => context.clock.callAfter(ms, () => resolve('done')))
const hanging = () => new Promise(() => undefined)
const stopsAtOnce = { shutdownGraceMs: 0, executorAbortGraceMs: 0 }

/** A store that outlives the worlds on it, and the clock that they share. */
async function openLives() {
  const db: Database = await openMemoryDatabase(migrations)
  onTestFinished(() => db.close())
  const clock = createManualClock(start)
  return (options: WorldOptions = {}) => openWorld({ db, clock, ...options })
}

describe('losses', () => {
  it('by kill after kill with few slots fail nothing that waits: each trigger ends SUCCESS', async () => {
    const live = await openLives()
    const ids = Array.from({ length: 40 }, (_, n) => executionId(n + 1))
    const kills = 7
    for (let life = 0; life <= kills; life++) {
      const world = await live({ config: { executorIoConcurrency: 2 }, run: lasting(200) })
      if (life === 0) await world.command(...ids.map((id) => command({ executionId: id, ...inMs(0), cause: 'manual' })))
      if (life === kills) await world.pass(5000, 20)
      // Two runs end in each life, and two more are at work when it is killed.
      else await world.pass(320, 20)
      const records = await Promise.all(ids.map(world.read))
      for (const { losses, attempts } of records) {
        const lost = attempts.filter((one) => one.outcome === 'lost')
        expect(losses).toBe(lost.length)
        expect(lost.slice(1).every((one) => one.startedAt !== null)).toBe(true)
      }
      if (life === kills) expect(new Set(records.map((one) => one.state))).toEqual(new Set(['succeeded']))
      else await world.kill()
    }
  })

  it('of a run that takes its executor down each time end it, once they are charged', async () => {
    const live = await openLives()
    const outcomes: string[] = []
    for (let life = 0; life < 9; life++) {
      const world = await live({ run: hanging })
      if (life === 0) await world.command(command(inMs(0)))
      await world.pass(20, 5)
      const { state, losses } = await world.read(executionId())
      outcomes.push(`${state} ${losses}`)
      await world.kill()
    }
    const runs = [0, 1, 2, 3, 4, 5, 6].map((losses) => `running ${losses}`)
    expect(outcomes).toEqual([...runs, 'failed 7', 'failed 7'])
  })

  it('of one that must run at most once, and waits for a slot, do not end it', async () => {
    const live = await openLives()
    const config = { executorIoConcurrency: 1, ...stopsAtOnce }
    const first = await live({ config, run: hanging })
    const [runs, waits] = [executionId(1), executionId(2)]
    await first.command(...[runs, waits].map((id) => command({ executionId: id, ...inMs(0), ...atMostOnce })))
    await first.pass(20)
    await first.kill()
    const second = await live()
    await second.pass(20)
    expect(await second.read(runs)).toMatchObject({ state: 'lost', losses: 1 })
    expect(await second.read(waits)).toMatchObject({ state: 'succeeded', losses: 0, inDoubt: [] })
    expect(second.calls.map((one) => one.context.executionId)).toEqual([waits])
  })
})

describe('a start that is recorded first', () => {
  it('is in the store when the handler is called: after a loss, and where it must run at most once', async () => {
    const live = await openLives()
    const first = await live({ run: hanging })
    await first.command(command({ executionId: executionId(1), ...inMs(0) }))
    await first.kill()
    const recorded = new Map<string, boolean>()
    const second = await live({
      async run({ context }) {
        const { attempts } = await second.read(context.executionId)
        recorded.set(context.executionId, attempts.at(-1)?.startedAt !== null)
      },
    })
    await second.command(
      command({ executionId: executionId(2), ...inMs(0), ...atMostOnce }),
      command({ executionId: executionId(3), ...inMs(0) }),
    )
    await second.pass(20)
    expect([1, 2, 3].map((number) => recorded.get(executionId(number)))).toEqual([true, true, false])
  })

  it('keeps the handler from being called for as long as the store does not take it', async () => {
    const world = await openWorld()
    world.failing.add('executions.start')
    await world.command(command({ ...inMs(0), ...atMostOnce }))
    await world.pass(3000, 20)
    expect(world.calls).toEqual([])
    world.failing.clear()
    await world.pass(1100, 20)
    expect(world.calls).toHaveLength(1)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', losses: 0, epoch: 1 })
  })

  it('is refused by a cancel that comes before it, and the slot is free again', async () => {
    const world = await openWorld({ config: { executorIoConcurrency: 1 } })
    world.failing.add('executions.start')
    await world.command(command({ ...inMs(0), ...atMostOnce }))
    await world.pass(10)
    await world.internal('PUT', `/internal/admissions/${jobId()}`, cancel)
    world.failing.clear()
    await world.pass(1100, 20)
    expect(world.calls).toEqual([])
    expect(await world.read(executionId())).toMatchObject({ state: 'cancelled', attempts: [] })
    await world.command(command({ executionId: executionId(2), jobId: jobId(2), ...inMs(0) }))
    await world.pass(1)
    expect(world.calls).toHaveLength(1)
  })

  it('does not hold up a stop, and the run is at its start again afterwards', async () => {
    const live = await openLives()
    const first = await live({ config: stopsAtOnce })
    first.failing.add('executions.start')
    await first.command(command({ ...inMs(0), ...atMostOnce }))
    await first.pass(10)
    await first.stop()
    expect(first.calls).toEqual([])
    const second = await live()
    await second.pass(20)
    expect(await second.read(executionId())).toMatchObject({ state: 'succeeded', losses: 0 })
    expect(second.calls).toHaveLength(1)
  })

  it('that comes at last during a stop leaves no timer behind', async () => {
    const clock = createManualClock(start)
    const world = await openWorld({ clock, config: stopsAtOnce })
    world.failing.add('executions.start')
    await world.command(command({ ...inMs(0), ...atMostOnce }))
    await world.pass(10)
    world.failing.clear()
    await world.stop()
    expect(await world.read(executionId())).toMatchObject({ state: 'lost', attempts: [{ outcome: 'interrupted' }] })
    expect(world.calls).toEqual([])
    expect(clock.pending()).toBe(0)
  })
})

describe('what is shown of a start', () => {
  it('is what is stored, and does not change: not by the end, nor by a kill', async () => {
    const live = await openLives()
    const first = await live({ run: hanging })
    await first.command(command(inMs(3)))
    await first.pass(500, 7)
    const shown = first.statuses.filter((one) => executionStatusOf(one) === 'RUNNING')
    expect(shown.map((one) => one.timeline.startedAt)).toEqual([start + 3])
    const { attempts } = await first.read(executionId())
    expect(shown[0]?.attempts).toEqual(attempts)
    await first.kill()
    const second = await live({ run: lasting(300) })
    await second.pass(1000, 10)
    const starts = second.statuses.map((one) => one.timeline.startedAt)
    expect(new Set(starts)).toEqual(new Set([start + 3]))
    expect(second.statuses.at(-1)).toMatchObject({ state: 'succeeded', losses: 1 })
  })

  it('is nothing before it has happened: a claim that waits for a slot is SCHEDULED', async () => {
    const config = { executorIoConcurrency: 1, ...stopsAtOnce }
    const world = await openWorld({ config, run: hanging })
    const waits = executionId(2)
    await world.command(command({ executionId: executionId(1), ...inMs(0) }))
    await world.command(command({ executionId: waits, ...inMs(0) }))
    await world.pass(1200, 20)
    const shown = world.statuses.findLast((one) => one.executionId === waits)
    expect(shown).toMatchObject({ state: 'running', runAt: start, timeline: { startedAt: null } })
    expect(executionStatusOf(shown!)).toBe('SCHEDULED')
  })

  it('costs a run nothing that is short: its start is stored with its end', async () => {
    const world = await openWorld({ run: lasting(90) })
    // The relay sweeps at the start, and again after a second.
    await world.pass(50)
    await world.command(command(inMs(50)))
    await world.pass(200)
    const shown = world.statuses.map((one) => [one.state, one.seq, one.timeline.startedAt])
    expect(shown).toEqual([['succeeded', 3, start + 50]])
  })

  it('agrees with a run that ends while its start is being stored', async () => {
    const world = await openWorld({
      run: async (call) => {
        // Its timer comes after the executor's own of the same moment.
        await Promise.resolve()
        return lasting(100)(call)
      },
    })
    await world.command(command(inMs(0)))
    await world.pass(200)
    expect(await world.read(executionId())).toMatchObject({
      state: 'succeeded',
      seq: 4,
      attempts: [{ startedAt: start, endedAt: start + 100 }],
    })
    // The finish waits for the start's answer, so it need not be tried twice.
    const written = world.writes.filter((name) => /start|finish/.test(name))
    expect(written).toEqual(['executions.start', 'executions.finish'])
  })

  it('agrees with a cancel that comes while it is being stored', async () => {
    const world = await openWorld({
      run: ({ context }) =>
        new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason))),
    })
    await world.command(command(inMs(0)))
    await world.pass(99)
    const fenced = world.internal('PUT', `/internal/admissions/${jobId()}`, cancel)
    await Promise.all([fenced, world.pass(1)])
    await world.pass(50)
    expect(await world.read(executionId())).toMatchObject({
      state: 'cancelled',
      failures: 0,
      attempts: [{ startedAt: start, outcome: 'cancelled' }],
    })
  })

  it('comes later when the store does not take it, and the run goes on', async () => {
    const world = await openWorld({ run: lasting(5000) })
    world.failing.add('executions.start')
    await world.command(command(inMs(0)))
    await world.pass(2500, 20)
    expect(world.statuses.filter((one) => executionStatusOf(one) === 'RUNNING')).toEqual([])
    world.failing.clear()
    await world.pass(1200, 20)
    expect(world.statuses.at(-1)).toMatchObject({ state: 'running', timeline: { startedAt: start } })
    expect(world.calls).toHaveLength(1)
  })
})
