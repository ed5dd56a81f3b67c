import { createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import type { Stores } from '../../src/store/ports.ts'
import { createInstanceClock } from '../instances.ts'
import { command, executionId, jobId, policy, start } from '../samples.ts'
import { createDocumentStores } from '../store/document-stores.ts'
import { type Failures, failingStores } from '../store/mapped-stores.ts'
import { type Call, openWorld, type World, type WorldOptions } from '../world.ts'

const distributed = { mode: 'distributed' as const }
const atMostOnce = policy({ onLostLease: 'fail' })
const limited = policy({ overlap: { policy: 'skip', limit: 1 } })
const due = (number: number, change: Parameters<typeof command>[0] = {}) =>
  command({ executionId: executionId(number), jobId: jobId(number), fireAt: start, ...change })

const isOf = (number: number) => (call: Call) => call.context.executionId === executionId(number)

/** Runs for `ms`, and stops when it is aborted. */
const obedient = ({ params, context }: Call) =>
  new Promise((resolve, reject) => {
    context.clock.callAfter(Number(params.ms ?? 0), () => resolve('done'))
    context.signal.addEventListener('abort', () => reject(context.signal.reason))
  })

async function openFailing(code: Failures['code'], at: string[], options: WorldOptions = {}) {
  const failures: Failures = { code, at: new Set(), count: 0 }
  const wrapStores = (stores: Stores) => failingStores(stores, failures)
  const world = await openWorld({ config: distributed, run: obedient, ...options, wrapStores })
  for (const name of at) failures.at.add(name)
  return { world, failures }
}

describe.each(['unavailable', 'outcome-unknown'] as const)('an executor whose signs of life all end as %s', (code) => {
  it('starts and claims nothing after a lease, and goes on under its name when one gets through', async () => {
    const { world, failures } = await openFailing(code, ['executors.beat'])
    await world.command(due(1, { fireAt: start + 4500 }), due(2, { fireAt: start + 5500 }))
    await world.pass(9000, 20)
    expect(world.calls.map(({ at }) => at)).toEqual([start + 4500])
    expect(await world.read(executionId(2))).toMatchObject({ state: 'ready', epoch: 0 })
    failures.at.clear()
    await world.pass(1500, 20)
    expect(world.calls).toHaveLength(2)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'succeeded', epoch: 1, losses: 0 })
    expect(await world.stores.executors.list()).toHaveLength(1)
  })

  it('does not start what it has claimed before', async () => {
    const { world, failures } = await openFailing(code, ['executors.beat'], {
      config: { ...distributed, executorIoConcurrency: 1 },
    })
    await world.command(due(1, { params: { ms: 8000 } }), due(2))
    await world.pass(9000, 20)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'succeeded', epoch: 1 })
    expect(await world.read(executionId(2))).toMatchObject({ state: 'running', epoch: 1 })
    expect(world.calls).toHaveLength(1)
    failures.at.clear()
    await world.pass(1500, 20)
    expect(world.calls.map(({ context }) => context.epoch)).toEqual([1, 1])
    expect(await world.read(executionId(2))).toMatchObject({ state: 'succeeded', losses: 0 })
  })

  it('aborts what must not run beside another attempt, and lets the others go on', async () => {
    const { world, failures } = await openFailing(code, ['executors.beat'])
    const params = { ms: 7000 }
    await world.command(due(1, { params, policy: limited }), due(2, { params, policy: atMostOnce }), due(3, { params }))
    await world.pass(4900, 20)
    const aborted = () => [1, 2, 3].map((n) => world.calls.find(isOf(n))?.context.signal.aborted)
    expect(aborted()).toEqual([false, false, false])
    await world.pass(2500, 20)
    expect(aborted()).toEqual([true, true, false])
    const states = await Promise.all([1, 2, 3].map(async (number) => (await world.read(executionId(number))).state))
    expect(states).toEqual(['ready', 'lost', 'succeeded'])
    failures.at.clear()
    await world.pass(9000, 20)
    expect(world.calls).toHaveLength(4)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'succeeded', epoch: 2, losses: 0, failures: 0 })
  })

  it('does not call the handler of an attempt whose start is recorded, until one gets through', async () => {
    const { world, failures } = await openFailing(code, ['executors.beat', 'executions.compareAndSetMany:start'])
    if (code === 'outcome-unknown') failures.code = 'unavailable'
    await world.command(due(1, { policy: atMostOnce }))
    await world.pass(6000, 20)
    failures.at.delete('executions.compareAndSetMany:start')
    await world.pass(3000, 20)
    const record = await world.read(executionId(1))
    expect(record).toMatchObject({ state: 'running', attempts: [{ startedAt: expect.any(Number) }] })
    expect(world.calls).toEqual([])
    failures.at.clear()
    await world.pass(1500, 20)
    expect(world.calls).toHaveLength(1)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'succeeded', epoch: 1 })
  })
})

/** Lets time pass while a call is under way in the store. */
async function passClosely({ clock }: World, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 5) {
    await clock.advance(5)
    for (let n = 0; n < 10; n += 1) await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

/** Stores of which one verb answers late. */
function lateStores(
  stores: Stores,
  verb: 'executors.beat' | 'executions.insertMany',
  wait: () => Promise<void>,
): Stores {
  const late =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const answer = await call(...args)
      await wait()
      return answer
    }
  const { executors, executions } = stores
  if (verb === 'executors.beat') return { ...stores, executors: { ...executors, beat: late(executors.beat) } }
  return { ...stores, executions: { ...executions, insertMany: late(executions.insertMany) } }
}

describe('an executor whose store answers late', () => {
  it('counts a sign of life from when it was sent', async () => {
    const clock = createManualClock(start)
    let lateMs = 0
    const wait = () => new Promise<void>((resolve) => (lateMs === 0 ? resolve() : clock.callAfter(lateMs, resolve)))
    const world = await openWorld({
      clock,
      stores: createDocumentStores(1),
      config: distributed,
      wrapStores: (stores) => lateStores(stores, 'executors.beat', wait),
    })
    await world.command(due(1, { fireAt: start + 12_500 }))
    // Sent at 0, answered at 4,600 and good until 5,000; sent then, answered at 9,200 and good until 9,600; and so on.
    lateMs = 4600
    await passClosely(world, 13_700)
    expect(world.calls).toEqual([])
    lateMs = 0
    await passClosely(world, 1000)
    expect(world.calls).toHaveLength(1)
  })

  it('does not give back what it is about to hold', async () => {
    const clock = createManualClock(start)
    let lateMs = 0
    const wait = () => new Promise<void>((resolve) => (lateMs === 0 ? resolve() : clock.callAfter(lateMs, resolve)))
    const world = await openWorld({
      clock,
      stores: createDocumentStores(1),
      config: distributed,
      wrapStores: (stores) => lateStores(stores, 'executions.insertMany', wait),
    })
    lateMs = 4000
    const sent = world.publish(due(1), due(2))
    await passClosely(world, 3900)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'running', epoch: 1 })
    expect(world.calls).toEqual([])
    await passClosely(world, 200)
    await sent
    lateMs = 0
    await world.pass(3000, 20)
    expect(world.calls.map(({ context }) => context.epoch)).toEqual([1, 1])
    for (const number of [1, 2])
      expect(await world.read(executionId(number))).toMatchObject({ state: 'succeeded', losses: 0, inDoubt: [] })
  })
})

describe('an executor that is stopped for 15 s and goes on', () => {
  it.each(['stopped', 'suspended'] as const)(
    'starts and records nothing that another one has taken over (%s)',
    async (kind) => {
      const base = createManualClock(start)
      const stores = createDocumentStores(1)
      const clock = createInstanceClock(base, 0)
      const gated = (all: Stores): Stores => {
        const { executions } = all
        const compareAndSetMany: typeof executions.compareAndSetMany = async (...args) => {
          const counted = await executions.compareAndSetMany(...args)
          await clock.awake()
          return counted
        }
        return { ...all, executions: { ...executions, compareAndSetMany } }
      }
      const config = { ...distributed, executorIoConcurrency: 2 }
      const one = await openWorld({ clock, stores, config, run: obedient, wrapStores: gated })
      const other = await openWorld({ clock: base, stores, config, run: obedient })
      const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
      // Two are at work, two wait for a slot, two for their time, and two are not claimed yet.
      const fireAts = [0, 0, 0, 0, 40, 40, 2000, 2000]
      const all = numbers.map((n) => due(n, { params: { ms: 900 }, fireAt: start + (fireAts[n - 1] ?? 0) }))
      await one.command(...all)
      expect(one.calls).toHaveLength(2)
      clock.pause(kind)
      await passClosely(other, 15_000)
      const ended = await stores.executions.find(all.map((each) => each.executionId))
      expect(ended.map((found) => found?.execution.state)).toEqual(numbers.map(() => 'succeeded'))
      clock.resume()
      await passClosely(other, 3000)
      expect(one.calls).toHaveLength(2)
      expect(other.calls).toHaveLength(8)
      const records = await stores.executions.find(all.map((each) => each.executionId))
      expect(records.map((found) => found?.execution.epoch)).toEqual(ended.map((found) => found?.execution.epoch))
      expect(records.every((found) => found?.execution.inDoubt.length === 0)).toBe(true)
      expect(await one.metric('belfry_stale_completions_total')).toEqual([expect.stringMatching(/ 2$/)])
      // It is there again, under another name.
      expect((await stores.executors.list()).filter(({ gone }) => !gone)).toHaveLength(2)
    },
    30_000,
  )
})
