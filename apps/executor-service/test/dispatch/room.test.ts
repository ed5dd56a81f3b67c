import { createManualClock } from '@belfry/service'
import type { RowId } from '@belfry/storage'
import { describe, expect, it } from 'vitest'
import { type Attempt, createAttempt } from '../../src/attempts/attempt.ts'
import { createClaimLead } from '../../src/dispatch/claim-lead.ts'
import { createSlots } from '../../src/dispatch/slots.ts'
import { createStartTimers } from '../../src/dispatch/start-timers.ts'
import { command, execution, executionId, sampleRowId, start } from '../samples.ts'
import { openWorld } from '../world.ts'

describe('the lead of a claim', () => {
  it('follows what claims take, within its bounds', () => {
    const lead = createClaimLead({ minMs: 1, maxMs: 50 })
    const after = (tookMs: number) => {
      for (let i = 0; i < 100; i++) lead.observe(tookMs)
      return lead.ms()
    }
    expect(after(3)).toBeCloseTo(3, 1)
    expect(after(0.1)).toBe(1)
    expect(after(400)).toBe(50)
    lead.observe(0.1)
    lead.observe(9)
    expect(after(3)).toBeCloseTo(3, 1)
  })

  it('grows when claims take now this long and now that', () => {
    const lead = createClaimLead({ minMs: 1, maxMs: 50 })
    for (let i = 0; i < 100; i++) lead.observe(i % 2 ? 1 : 9)
    expect(lead.ms()).toBeGreaterThan(12)
  })
})

describe('executions that wait for their time', () => {
  const ready = (number: number, runAt: number, seq = 1) => ({
    rowId: sampleRowId(number),
    execution: execution({ id: executionId(number), runAt, seq }),
    size: 10,
  })

  it('are called shortly before it, in their newest state, and within bounds', async () => {
    const clock = createManualClock(start)
    const due: [RowId, number, number][] = []
    const armed = createStartTimers(clock, { count: 3, size: 1000, ownerShare: 1 }, ({ rowId, execution: { seq } }) =>
      due.push([rowId, seq, clock.now() - start]),
    )
    for (const one of [ready(1, start + 100), ready(2, start + 50), ready(1, start + 80, 2), ready(1, start + 1, 1)]) {
      armed.add(one, 10)
    }
    armed.add(ready(3, start + 20), 10)
    armed.add(ready(4, start + 20), 10)
    armed.remove(sampleRowId(3))
    expect([
      3 - armed.room().count,
      armed.has(sampleRowId(1)),
      armed.has(sampleRowId(3)),
      armed.has(sampleRowId(4)),
    ]).toEqual([2, true, false, false])
    await clock.advance(200)
    expect(due).toEqual([
      [sampleRowId(2), 1, 40],
      [sampleRowId(1), 2, 70],
    ])
    armed.add(ready(5, start + 900), 10)
    armed.clear()
    expect([3 - armed.room().count, clock.pending()]).toEqual([0, 0])
  })

  it('take up no more memory than they may', () => {
    const armed = createStartTimers(createManualClock(start), { count: 100, size: 25, ownerShare: 1 }, () => undefined)
    for (let number = 1; number <= 9; number++) armed.add(ready(number, start + 100), 10)
    expect(armed.room()).toEqual({ count: 97, full: ['usr-1'] })
  })
})

describe('the room of an executor', () => {
  function openSlots(change = {}) {
    const clock = createManualClock(start)
    const begun: RowId[] = []
    let asked = 0
    const slots = createSlots({
      clock,
      limits: { io: 2, cpu: 1 },
      ahead: 4,
      heldSize: 100,
      ownerShare: 0.5,
      begin: (run) => void begun.push(run.rowId),
      onRoom: () => {
        asked += 1
      },
      ...change,
    })
    const run = (number: number, priority = 5): Attempt =>
      createAttempt({ rowId: sampleRowId(number), execution: execution({ priority }), size: 10 }, undefined)
    return { clock, slots, run, begun, asked: () => asked }
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve))

  it('is its slots and what it claims ahead, and ends with its memory', () => {
    const { slots, run } = openSlots({ ahead: 20 })
    expect([slots.room('io'), slots.room('cpu')]).toEqual([22, 21])
    for (let i = 0; i < 10; i++) slots.hold(run(i))
    expect([slots.room('io'), slots.room('cpu')]).toEqual([0, 0])
    slots.release(run(0))
    expect([slots.room('io'), slots.room('cpu')]).toEqual([13, 21])
  })

  it('lets those start first that are urgent, and those that waited longer', async () => {
    const { slots, run, begun } = openSlots()
    const runs = [run(1), run(2), run(3, 9), run(4, 5), run(5, 1)]
    for (const one of runs) slots.start(one)
    expect(begun).toEqual([1, 2].map((number) => sampleRowId(number)))
    for (const one of runs.slice(0, 2)) slots.vacate(one)
    await turn()
    expect(begun).toEqual([1, 2, 5, 4].map((number) => sampleRowId(number)))
    slots.vacate(runs[3] as Attempt)
    await turn()
    expect(begun).toEqual([1, 2, 5, 4, 3].map((number) => sampleRowId(number)))
  })

  it('goes first to those in the store, then to those outside', async () => {
    const { slots, run, asked, clock } = openSlots()
    const runs = Array.from({ length: 6 }, (_, i) => run(i))
    for (const one of runs) slots.hold(one)
    const outside = slots.hasRoomAgain([execution()], 1000)
    slots.markSaturated(execution())
    slots.release(runs[0] as Attempt)
    expect(asked()).toBe(1)
    slots.clearSaturated('io')
    expect(await outside).toBe(true)
    const inVain = slots.hasRoomAgain([execution()], 5)
    await clock.advance(5)
    expect(await inVain).toBe(false)
    expect(await slots.hasRoomAgain([execution()], 0)).toBe(false)
  })

  it('forgets who has waited in vain, and who was given back while it waited for a slot', async () => {
    const { slots, run, clock } = openSlots({ limits: { io: 1, cpu: 1 } })
    for (let i = 0; i < 3; i++) {
      const inVain = slots.hasRoomAgain([execution()], 5)
      await clock.advance(5)
      expect(await inVain).toBe(false)
    }
    const runs = [run(1), run(2), run(3)]
    for (const one of runs) slots.hold(one)
    for (const one of runs) slots.start(one)
    expect(slots.view('io')).toMatchObject({ busy: 1, claimed: 3, waiting: 2, waiters: 0 })
    slots.release(runs[1] as Attempt)
    expect(slots.view('io')).toMatchObject({ busy: 1, claimed: 2, waiting: 1, waiters: 0 })
  })

  it('makes a flood of commands wait for a moment, and stores what still finds none', async () => {
    const world = await openWorld({
      config: { executorRoomWaitMs: 50, executorIoConcurrency: 1, executorClaimAhead: 0 },
      run: ({ context }) => new Promise((resolve) => context.clock.callAfter(30, () => resolve(null))),
    })
    const flood = [1, 2, 3].map((number) => command({ executionId: executionId(number), fireAt: start }))
    let isTaken = false
    const taken = world.command(...flood).then(() => {
      isTaken = true
    })
    await world.pass(40)
    expect(isTaken).toBe(false)
    expect(world.calls.map((one) => one.at - start)).toEqual([0, 30])
    await world.pass(20)
    await taken
    expect(await world.read(executionId(3))).toMatchObject({ state: 'ready' })
    await world.pass(300)
    expect(world.calls).toHaveLength(3)
  })
})
