import { createManualClock } from '@belfry/service'
import type { RowId } from '@belfry/storage'
import { describe, expect, it } from 'vitest'
import { type Attempt, createAttempt } from '../../src/attempts/attempt.ts'
import { createClaimLead } from '../../src/dispatch/claim-lead.ts'
import { createRoom } from '../../src/dispatch/room.ts'
import { createSlots } from '../../src/dispatch/slots.ts'
import { createStartTimers } from '../../src/dispatch/start-timers.ts'
import type { Stored } from '../../src/store/ports.ts'
import { command, execution, executionId, runningExecution, sampleRowId, start } from '../samples.ts'
import { openWorld } from '../world.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

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
  const ready = (number: number, runAt: number, seq = 1): Stored => ({
    rowId: sampleRowId(number),
    execution: execution({ id: executionId(number), runAt, seq }),
    size: 10,
  })

  function openTimers(bounds: { count: number; size: number }) {
    const clock = createManualClock(start)
    const claimed: [RowId, number, number][] = []
    const held = new Map<RowId, Attempt>()
    const timers = createStartTimers({
      clock,
      lead: { ms: () => 10, observe: () => undefined },
      claimer: {
        hasType: () => true,
        claimSoon: ({ rowId, execution: { seq } }) => void claimed.push([rowId, seq, clock.now() - start]),
      },
      held,
      soonMs: 500,
      bounds: { ...bounds, ownerShare: 1 },
    })
    return { clock, claimed, held, timers }
  }

  it('are claimed shortly before it, in their newest state, and within bounds', async () => {
    const { clock, claimed, timers } = openTimers({ count: 3, size: 1000 })
    timers.add([ready(1, start + 100), ready(2, start + 50), ready(1, start + 80, 2), ready(1, start + 1, 1)])
    timers.add([ready(3, start + 20), ready(4, start + 20)])
    timers.update([{ ...ready(3, start + 20), execution: runningExecution({ id: executionId(3) }) }])
    expect([3 - timers.room().count, ...[1, 3, 4].map((number) => timers.has(sampleRowId(number)))]).toEqual([
      2,
      true,
      false,
      false,
    ])
    await clock.advance(200)
    expect(claimed).toEqual([
      [sampleRowId(2), 1, 40],
      [sampleRowId(1), 2, 70],
    ])
    timers.add([ready(5, start + 900)])
    timers.stop()
    expect([3 - timers.room().count, clock.pending()]).toEqual([0, 0])
    timers.add([ready(6, start + 900)])
    expect(timers.has(sampleRowId(6))).toBe(false)
  })

  it('take up no more memory than they may', () => {
    const { timers } = openTimers({ count: 100, size: 25 })
    timers.add(Array.from({ length: 9 }, (_, index) => ready(index + 1, start + 100)))
    expect(timers.room()).toEqual({ count: 97, full: ['usr-1'] })
  })

  it('are those that a change makes ready soon, though their last attempt is held until its end is noted', () => {
    const { held, timers } = openTimers({ count: 9, size: 1000 })
    for (const [number, phase] of [
      [1, 'started'],
      [2, 'ended'],
    ] as const) {
      const rowId = sampleRowId(number)
      const attempt = createAttempt({ rowId, execution: runningExecution(), size: 10 }, undefined)
      held.set(rowId, Object.assign(attempt, { phase }))
    }
    timers.update([ready(1, start), ready(2, start), ready(3, start + 500), ready(4, start + 501)])
    expect([1, 2, 3, 4].map((number) => timers.has(sampleRowId(number)))).toEqual([false, true, true, false])
  })
})

describe('the room of an executor', () => {
  const openRoom = (change = {}) => {
    const clock = createManualClock(start)
    const limits = { io: 2, cpu: 1 }
    const fixed = { ahead: 4, heldSize: 100, ownerShare: 0.5, hasFreeSlot: () => false }
    const room = createRoom({ clock, limits, ...fixed, ...change })
    return { clock, room }
  }

  it('is its slots and what it claims ahead, and ends with its memory', () => {
    const { room } = openRoom({ ahead: 20 })
    expect([room.left('io'), room.left('cpu')]).toEqual([22, 21])
    for (let i = 0; i < 10; i++) room.take(execution(), 10)
    expect([room.left('io'), room.left('cpu')]).toEqual([0, 0])
    room.release(execution(), 10)
    expect([room.left('io'), room.left('cpu')]).toEqual([13, 21])
  })

  it('goes first to executions in the store, then to batches that wait', async () => {
    const { room, clock } = openRoom()
    for (let i = 0; i < 6; i++) room.take(execution(), 10)
    let isReopened = false
    void room.reopened().then(() => {
      isReopened = true
    })
    const waiting = room.waitForRoom([execution()], 1000)
    room.markSaturated(execution())
    room.release(execution(), 10)
    await turn()
    expect(isReopened).toBe(true)
    room.clearSaturated('io')
    expect(await waiting).toBe(true)
    const inVain = room.waitForRoom([execution()], 5)
    await clock.advance(5)
    expect(await inVain).toBe(false)
    expect(await room.waitForRoom([execution()], 0)).toBe(false)
  })

  it('is waited for again while slots are free, since the store is behind then', async () => {
    let isFree = true
    const { room, clock } = openRoom({ hasFreeSlot: () => isFree })
    while (room.hasRoomFor(execution())) room.take(execution(), 1)
    const behind = room.waitForRoom([execution()], 5)
    await clock.advance(5)
    expect(await behind).toBe(true)
    isFree = false
    const full = room.waitForRoom([execution()], 5)
    await clock.advance(5)
    expect(await full).toBe(false)
  })

  it('forgets batches that have waited in vain', async () => {
    const { room, clock } = openRoom({ limits: { io: 1, cpu: 1 } })
    for (let i = 0; i < 3; i++) {
      const inVain = room.waitForRoom([execution()], 5)
      await clock.advance(5)
      expect(await inVain).toBe(false)
    }
    expect(room.view('io')).toEqual({ claimed: 0, waiters: 0 })
  })

  it('makes a flood of commands wait for a moment, and stores what still finds none', async () => {
    const world = await openWorld({
      config: { executorRoomWaitMs: 50, executorRoomWaitMostMs: 50, executorIoConcurrency: 1, executorClaimAhead: 0 },
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

describe('the slots of an executor', () => {
  const attemptOf = (number: number, priority = 5): Attempt =>
    createAttempt({ rowId: sampleRowId(number), execution: execution({ priority }), size: 10 }, undefined)
  const open = () => createSlots({ limits: { io: 2, cpu: 1 }, ownerShare: 0.5 })

  it('go first to attempts that are urgent, and to those that waited longer', () => {
    const slots = open()
    const attempts = [attemptOf(1), attemptOf(2), attemptOf(3, 9), attemptOf(4, 5), attemptOf(5, 1)]
    const [first, second] = attempts as [Attempt, Attempt]
    for (const one of attempts) if (!slots.take(one)) slots.enqueue(one)
    expect(slots.view('io')).toEqual({ busy: 2, limit: 2, waiting: 3 })
    expect(slots.takeNext('io')).toBeUndefined()
    for (const one of [first, second]) slots.vacate(one)
    expect([slots.takeNext('io'), slots.takeNext('io'), slots.takeNext('io')].map((one) => one?.rowId)).toEqual([
      sampleRowId(5),
      sampleRowId(4),
      undefined,
    ])
    slots.vacate(attempts[3] as Attempt)
    expect(slots.take(first)).toBe(false)
    expect(slots.takeNext('io')?.rowId).toBe(sampleRowId(3))
  })

  it('are not given to an attempt that was given back while it waited', () => {
    const slots = open()
    const attempts = [1, 2, 3, 4].map((number) => attemptOf(number))
    for (const one of attempts) if (!slots.take(one)) slots.enqueue(one)
    slots.withdraw(attempts[2] as Attempt)
    expect(slots.view('io')).toEqual({ busy: 2, limit: 2, waiting: 1 })
    slots.vacate(attempts[0] as Attempt)
    expect(slots.takeNext('io')?.rowId).toBe(sampleRowId(4))
  })
})
