import { type ExecutionState, executionStates, isRefusal, type Refusal } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Execution, maxAttempts, toStatusMessage } from '../../src/executions/execution.ts'
import { failed, readResult, timedOut } from '../../src/executions/outcome.ts'
import {
  claim,
  close,
  expire,
  finish,
  handBack,
  handOver,
  interrupt,
  isTooLate,
  lose,
  maxLosses,
  requestCancel,
  skip,
  start,
  takeBack,
  wait,
  waitsForPlace,
  wake,
} from '../../src/executions/transitions.ts'
import { admit } from '../../src/intake/command.ts'
import {
  claimedExecution,
  start as clockStart,
  command,
  delivery,
  execution,
  policy,
  runningExecution,
} from '../samples.ts'

const at = clockStart + 2000
/** When the handler of the samples was called. */
const startedAt = clockStart + 1000
const broken = failed('broken', 'It broke.')
const ending = (change: Partial<Parameters<typeof finish>[1]> = {}) => ({
  epoch: 1,
  at,
  startedAt,
  outcome: readResult({ ok: true }),
  artifacts: [],
  random: 0,
  ...change,
})

/** The record, when the transition was allowed. */
function taken(answer: Execution | Refusal): Execution {
  if (isRefusal(answer)) throw new Error(`refused: ${answer.detail}`)
  return answer as Execution
}

describe('a command', () => {
  it('begins a record that is ready at its fire time', () => {
    expect(admit(undefined, command(), delivery())).toMatchObject({
      state: 'ready',
      seq: 1,
      epoch: 0,
      runAt: startedAt,
    })
  })

  it('ends as expired when it was planned before the retention', () => {
    const record = admit(undefined, command(), delivery({ oldestPlannedAt: clockStart + 1 }))
    expect(record).toMatchObject({ state: 'expired', endedAt: clockStart })
  })

  it('is kept however far back its fire time lies, as long as it was planned lately', () => {
    const late = command({ fireAt: clockStart - 10 * 365 * 86_400_000 })
    expect(admit(undefined, late, delivery({ oldestPlannedAt: clockStart - 1 })).state).toBe('ready')
  })

  const replaced: [string, Execution, boolean][] = [
    ['ready', execution(), true],
    ['waiting for a retry', execution({ failures: 2, epoch: 2 }), true],
    ['superseded', execution({ state: 'superseded' }), true],
    ['cancelled by a floor', execution({ state: 'cancelled' }), true],
    ['cancelled by name', execution({ state: 'cancelled', cancelRequested: true }), false],
    ['running', runningExecution(), false],
    ['succeeded', execution({ state: 'succeeded' }), false],
    ['failed', execution({ state: 'failed' }), false],
    ['skipped', execution({ state: 'skipped' }), false],
    ['expired', execution({ state: 'expired' }), false],
    ['lost', execution({ state: 'lost' }), false],
  ]
  it.each(replaced)('of a newer version meets one that is %s', (_, existing, isReplaced) => {
    const record = admit(existing, command({ version: 2, params: { newer: true } }), delivery())
    if (isReplaced)
      expect(record).toMatchObject({ version: 2, state: 'ready', failures: 0, losses: 0, seq: existing.seq + 1 })
    else expect(record).toBe(existing)
  })

  it.each([1, 2])('of the same or an older version changes nothing (%i)', (version) => {
    const existing = execution({ version: 2 })
    expect(admit(existing, command({ version }), delivery())).toBe(existing)
  })

  it('of a newer version keeps the epoch and the epochs in doubt', () => {
    const existing = execution({ epoch: 3, inDoubt: [{ epoch: 3, lostAt: at }], failures: 1, losses: 2 })
    const record = admit(existing, command({ version: 2 }), delivery())
    expect(record).toMatchObject({ epoch: 3, inDoubt: [{ epoch: 3, lostAt: at }], failures: 0, losses: 0 })
  })
})

describe('a claim', () => {
  it('makes a new epoch own the record', () => {
    const record = taken(claim(execution({ epoch: 4 }), { owner: 'two' }))
    expect(record).toMatchObject({ state: 'running', epoch: 5, owner: 'two', seq: 2 })
    expect(record.attempts).toEqual([
      { epoch: 5, executor: 'two', startedAt: null, endedAt: null, outcome: null, error: null },
    ])
  })

  it('keeps the first attempt that started and the newest ones', () => {
    let record = execution()
    for (let i = 0; i < 30; i++) {
      record = taken(claim(record, { owner: 'one' }))
      if (i > 2) record = taken(start(record, { epoch: record.epoch, startedAt: at + i, hasHappened: true }))
      record = taken(lose({ ...record, losses: 0 }, { epoch: record.epoch, at: at + i, inDoubt: false }))
    }
    expect(record.attempts).toHaveLength(maxAttempts)
    expect(record.attempts[0]?.epoch).toBe(4)
    expect(record.attempts.at(-1)?.epoch).toBe(30)
    expect(toStatusMessage(record).timeline.startedAt).toBe(at + 3)
  })

  it.each(['cancelled', 'superseded'] as const)('is undone by a floor (%s) without a try being charged', (by) => {
    const record = taken(close(claimedExecution(), by, at))
    expect(record).toMatchObject({
      state: by,
      attempts: [],
      failures: 0,
      losses: 0,
      owner: null,
      endedAt: at,
      epoch: 1,
    })
  })

  it('without an overlap place ends skipped and names the one in the way', () => {
    expect(taken(skip(claimedExecution(), 'exe-other', at))).toMatchObject({
      state: 'skipped',
      blockedBy: 'exe-other',
      attempts: [],
    })
  })

  it('that has not started goes back to ready, as if nothing had been', () => {
    const record = taken(handBack(claimedExecution(), claimedExecution(), at))
    expect(record).toMatchObject({ state: 'ready', owner: null, attempts: [], failures: 0, losses: 0, epoch: 1 })
  })

  it('that has not started ends when a cancel came in between', () => {
    expect(taken(handBack(claimedExecution({ cancelRequested: true }), claimedExecution(), at)).state).toBe('cancelled')
  })

  it('of another executor is not taken back, though it has the same epoch', () => {
    expect(isRefusal(handBack(claimedExecution(), claimedExecution({ owner: 'two' }), at))).toBe(true)
  })

  it('that has started is not taken back', () => {
    const answers = [close(runningExecution(), 'cancelled', at), skip(runningExecution(), 'exe-other', at)]
    for (const answer of [...answers, handBack(runningExecution(), runningExecution(), at)])
      expect(isRefusal(answer)).toBe(true)
  })

  it('is too late after the record has expired', () => {
    const record = execution({ expiresAt: at })
    expect([isTooLate(record, at), isTooLate(record, at + 1), isTooLate(execution(), at)]).toEqual([false, true, false])
    const retried = [execution({ expiresAt: at, failures: 1 }), runningExecution({ expiresAt: at })]
    expect(retried.map((one) => isTooLate(one, at + 1))).toEqual([false, false])
    expect(taken(expire(record, at + 1)).state).toBe('expired')
    expect(taken(expire(claimedExecution({ expiresAt: at }), at + 1))).toMatchObject({ state: 'expired', attempts: [] })
    expect(expire(runningExecution(), at)).toMatchObject({ code: 'illegal-transition' })
  })
})

describe('a start', () => {
  const begun = { epoch: 1, startedAt: at, hasHappened: false }

  it('is recorded once, and what ends the attempt keeps it', () => {
    const record = taken(start(claimedExecution(), begun))
    expect(record).toMatchObject({ state: 'running', seq: 3, epoch: 1, attempts: [{ startedAt: at, endedAt: null }] })
    expect(start(record, { ...begun, startedAt: at + 7 })).toBe(record)
    const ends = [
      finish(record, ending({ startedAt: at + 7 })),
      interrupt(record, { epoch: 1, at, startedAt: at + 7, inDoubt: false }),
      lose(record, { epoch: 1, at, inDoubt: false }),
    ]
    for (const end of ends) expect(taken(end).attempts[0]).toMatchObject({ startedAt: at, endedAt: at })
  })

  it('of an attempt that does not own the record is refused', () => {
    expect(isRefusal(start(claimedExecution({ epoch: 2 }), begun))).toBe(true)
    expect(isRefusal(start(execution(), begun))).toBe(true)
  })

  it('is refused after a cancel, unless it has happened', () => {
    const cancelled = claimedExecution({ cancelRequested: true })
    expect(isRefusal(start(cancelled, begun))).toBe(true)
    expect(taken(start(cancelled, { ...begun, hasHappened: true })).attempts[0]?.startedAt).toBe(at)
  })

  it('that was shown stays when a newer version replaces the execution', () => {
    const failedOnce = taken(finish(runningExecution(), ending({ outcome: broken })))
    let record = admit(failedOnce, command({ version: 2 }), delivery())
    record = taken(finish(taken(claim(record, { owner: 'two' })), ending({ epoch: 2, startedAt: at + 5 })))
    expect(record).toMatchObject({ version: 2, state: 'succeeded' })
    expect(toStatusMessage(record).timeline.startedAt).toBe(startedAt)
  })
})

describe('a finish', () => {
  it('records the result', () => {
    const record = taken(finish(runningExecution({ error: { code: 'old', message: 'x' } }), ending()))
    expect(record).toMatchObject({
      state: 'succeeded',
      result: { ok: true },
      error: null,
      endedAt: at,
      owner: null,
      seq: 3,
    })
    expect(record.attempts[0]).toMatchObject({ outcome: 'succeeded', startedAt, endedAt: at })
  })

  it('of a failure waits for the next try with growing waits, then fails for good', () => {
    let record = execution()
    const waits: number[] = []
    while (record.state === 'ready') {
      record = taken(claim(record, { owner: 'one' }))
      record = taken(finish(record, ending({ epoch: record.epoch, outcome: broken })))
      if (record.state === 'ready') waits.push(record.runAt - at)
    }
    expect(waits).toEqual([5000, 10_000, 20_000])
    expect(record).toMatchObject({ state: 'failed', failures: 4, epoch: 4, error: broken.error, endedAt: at })
  })

  it('is not due before the fire time, when the clock of its executor was set back', () => {
    const record = runningExecution({ cause: 'schedule' })
    const early = ending({ outcome: failed('gone', 'x', { afterMs: 10 }), at: record.fireAt - 3600 })
    expect(taken(finish(record, early)).runAt).toBe(record.fireAt)
  })

  it('of a failure that no retry mends fails at once', () => {
    const record = taken(finish(runningExecution(), ending({ outcome: failed('gone', 'x', 'never') })))
    expect(record).toMatchObject({ state: 'failed', failures: 1 })
  })

  it('waits as long as the target asked for, up to an hour', () => {
    const waits = [700, 7_200_000].map((afterMs) => {
      const outcome = failed('busy', 'x', { afterMs })
      return taken(finish(runningExecution(), ending({ outcome }))).runAt - at
    })
    expect(waits).toEqual([700, 3_600_000])
  })

  it('of an attempt that took too long is a failure that says so', () => {
    const record = taken(finish(runningExecution(), ending({ outcome: timedOut(1000) })))
    expect(record).toMatchObject({ state: 'ready', failures: 1, error: { code: 'timeout' } })
    expect(record.attempts[0]?.outcome).toBe('timed-out')
  })

  it('of a failure after a cancel ends cancelled, of a success succeeded', () => {
    const cancelled = runningExecution({ cancelRequested: true })
    const record = taken(finish(cancelled, ending({ outcome: broken })))
    expect(record).toMatchObject({ state: 'cancelled', failures: 0 })
    expect(record.attempts[0]?.outcome).toBe('cancelled')
    expect(taken(finish(cancelled, ending())).state).toBe('succeeded')
  })

  it('keeps the newest file of each name', () => {
    const file = (name: string, epoch: number) => ({ name, contentType: 'text/plain', bytes: 1, epoch })
    const before = runningExecution({ artifacts: [file('a', 1), file('b', 1)], epoch: 2 })
    const record = taken(finish(before, ending({ epoch: 2, artifacts: [file('b', 2)] })))
    expect(record.artifacts).toEqual([file('a', 1), file('b', 2)])
    expect(toStatusMessage(record).artifacts[0]).toEqual({ name: 'a', contentType: 'text/plain', bytes: 1 })
  })

  it('of an older epoch is refused', () => {
    expect(isRefusal(finish(runningExecution({ epoch: 2 }), ending()))).toBe(true)
    expect(isRefusal(finish(execution({ state: 'succeeded', epoch: 1 }), ending()))).toBe(true)
  })

  it('that came too late takes its epoch out of doubt, once', () => {
    const doubtful = runningExecution({ epoch: 2, inDoubt: [{ epoch: 1, lostAt: at }] })
    const record = takeBack(doubtful, 1)
    expect(record).toMatchObject({ inDoubt: [], seq: doubtful.seq + 1, state: 'running' })
    expect(takeBack(record, 1)).toBe(record)
  })
})

describe('a lost executor', () => {
  it('gives the execution back, for another attempt under a new epoch', () => {
    const record = taken(lose(runningExecution(), { epoch: 1, at, inDoubt: true }))
    expect(record).toMatchObject({ state: 'ready', losses: 1, failures: 0, inDoubt: [{ epoch: 1, lostAt: at }] })
    expect(record.attempts[0]).toMatchObject({ outcome: 'lost', startedAt })
  })

  it('leaves nothing in doubt when its process is known to be gone', () => {
    expect(taken(lose(runningExecution(), { epoch: 1, at, inDoubt: false })).inDoubt).toEqual([])
  })

  const once = { policy: policy({ onLostLease: 'fail' }) }
  const cancelled = { cancelRequested: true }
  type Row = [string, Execution, { state: ExecutionState; losses: number; attempts: number; inDoubt: number }]
  const rules: Row[] = [
    ['a first loss', claimedExecution(), { state: 'ready', losses: 1, attempts: 1, inDoubt: 1 }],
    ['a first loss, started', runningExecution(), { state: 'ready', losses: 1, attempts: 1, inDoubt: 1 }],
    ['a claim after a loss', claimedExecution({ losses: 1 }), { state: 'ready', losses: 1, attempts: 0, inDoubt: 0 }],
    ['a start after a loss', runningExecution({ losses: 1 }), { state: 'ready', losses: 2, attempts: 1, inDoubt: 1 }],
    [
      'the last but one',
      runningExecution({ losses: maxLosses }),
      { state: 'ready', losses: 6, attempts: 1, inDoubt: 1 },
    ],
    [
      'one too many',
      runningExecution({ losses: maxLosses + 1 }),
      { state: 'failed', losses: 7, attempts: 1, inDoubt: 1 },
    ],
    ['a claim after many', claimedExecution({ losses: 6 }), { state: 'ready', losses: 6, attempts: 0, inDoubt: 0 }],
    ['at most once, claimed', claimedExecution(once), { state: 'ready', losses: 0, attempts: 0, inDoubt: 0 }],
    ['at most once, started', runningExecution(once), { state: 'lost', losses: 1, attempts: 1, inDoubt: 1 }],
    ['cancelled', claimedExecution(cancelled), { state: 'cancelled', losses: 1, attempts: 1, inDoubt: 1 }],
    [
      'cancelled, a claim after a loss',
      claimedExecution({ ...cancelled, losses: 1 }),
      { state: 'cancelled', losses: 1, attempts: 0, inDoubt: 0 },
    ],
    [
      'cancelled, one too many',
      runningExecution({ ...cancelled, losses: 6 }),
      { state: 'cancelled', losses: 7, attempts: 1, inDoubt: 1 },
    ],
  ]
  it.each(rules)('is judged by what is recorded: %s', (_, record, expected) => {
    const { state, losses, attempts, inDoubt } = taken(lose(record, { epoch: 1, at, inDoubt: true }))
    expect({ state, losses, attempts: attempts.length, inDoubt: inDoubt.length }).toEqual(expected)
  })

  it('too often is an error that says so', () => {
    const record = taken(lose(runningExecution({ losses: maxLosses + 1 }), { epoch: 1, at, inDoubt: true }))
    expect(record).toMatchObject({ failures: 0, error: { code: 'lost-too-often' } })
  })
})

describe('an executor that stops', () => {
  const stop = { epoch: 1, at, startedAt, inDoubt: false }

  it.each([claimedExecution(), runningExecution({ losses: 6, failures: 2 })])('charges the run nothing', (record) => {
    const { losses, failures } = record
    const after = taken(interrupt(record, stop))
    expect(after).toMatchObject({ state: 'ready', owner: null, losses, failures, inDoubt: [], runAt: record.runAt })
    expect(after.attempts).toMatchObject([{ outcome: 'interrupted', startedAt, endedAt: at, error: null }])
  })

  it('leaves an attempt in doubt that ignores its abort', () => {
    expect(taken(interrupt(claimedExecution(), { ...stop, inDoubt: true })).inDoubt).toEqual([{ epoch: 1, lostAt: at }])
  })

  it('ends an execution that was cancelled, and one that must not run twice', () => {
    const cancelled = taken(interrupt(claimedExecution({ cancelRequested: true }), stop))
    expect(cancelled).toMatchObject({ state: 'cancelled', endedAt: at, attempts: [{ outcome: 'cancelled' }] })
    const once = taken(interrupt(runningExecution({ policy: policy({ onLostLease: 'fail' }) }), stop))
    expect(once).toMatchObject({ state: 'lost', losses: 0, attempts: [{ outcome: 'interrupted' }] })
  })

  it('says nothing about an attempt that is not its own any more', () => {
    expect(isRefusal(interrupt(claimedExecution({ epoch: 2 }), stop))).toBe(true)
  })
})

describe('a claim that finds no overlap place yet', () => {
  const input = { epoch: 1, blockedBy: 'exe-2', at, until: at + 5000 }

  it('goes back to ready and waits, and no try is charged', () => {
    const record = taken(wait(claimedExecution(), input))
    expect(record).toMatchObject({ state: 'ready', runAt: at + 5000, blockedBy: 'exe-2', owner: null, attempts: [] })
    expect(waitsForPlace(record)).toBe(true)
    expect(taken(claim(record, { owner: 'one' })).blockedBy).toBe(null)
  })

  it('is due at once when it is woken, once', () => {
    const record = taken(wait(claimedExecution(), input))
    const woken = wake(record, at + 10)
    expect(woken).toMatchObject({ state: 'ready', runAt: at + 10, seq: record.seq + 1 })
    expect(wake(woken, at + 20)).toBe(woken)
    const others = [
      execution({ runAt: at + 99 }),
      runningExecution(),
      execution({ state: 'skipped', blockedBy: 'exe-2' }),
    ]
    for (const one of others) expect(wake(one, at)).toBe(one)
  })

  it('is not due before its fire time when an executor whose clock is behind wakes it', () => {
    const record = taken(wait(claimedExecution(), input))
    expect(wake(record, record.fireAt - 60).runAt).toBe(record.fireAt)
  })

  it('ends when a cancel has come, and is refused for what has started or belongs to another attempt', () => {
    expect(taken(wait(claimedExecution({ cancelRequested: true }), input))).toMatchObject({
      state: 'cancelled',
      endedAt: at,
    })
    expect(wait(runningExecution(), input)).toMatchObject({ code: 'illegal-transition' })
    expect(wait(claimedExecution(), { ...input, epoch: 2 })).toMatchObject({ code: 'conflict' })
  })
})

describe('an execution whose job type its executor does not have', () => {
  it('is handed over once, and claimed from there into the pool of its handler', () => {
    const record = taken(handOver(execution()))
    expect(record).toMatchObject({ state: 'ready', pool: 'other', seq: 2, runAt: execution().runAt })
    expect(handOver(record)).toBe(record)
    expect(taken(claim(record, { owner: 'one', pool: 'cpu' })).pool).toBe('cpu')
    expect(handOver(runningExecution())).toMatchObject({ code: 'illegal-transition' })
  })
})

describe('a cancel', () => {
  it('ends what waits and asks what runs, once', () => {
    expect(taken(requestCancel(execution({ failures: 1 }), at))).toMatchObject({ state: 'cancelled', endedAt: at })
    const asked = taken(requestCancel(runningExecution(), at))
    expect(asked).toMatchObject({ state: 'running', cancelRequested: true, seq: 3 })
    expect(requestCancel(asked, at)).toBe(asked)
  })

  it('says the same again of what it has ended', () => {
    const cancelled = taken(requestCancel(execution(), at))
    expect(requestCancel(cancelled, at + 1)).toBe(cancelled)
  })

  it('is refused once it has ended otherwise, with the state', () => {
    expect(requestCancel(execution({ state: 'cancelled' }), at)).toMatchObject({ code: 'illegal-transition' })
    const answer = requestCancel(execution({ state: 'succeeded' }), at)
    expect(answer).toMatchObject({ code: 'illegal-transition', detail: expect.stringContaining('SUCCESS') })
  })
})

/** Every transition with any input, as a system under fire would ask for them. */
const anyEpoch = fc.integer({ min: 0, max: 6 })
const anyStep = fc.oneof(
  fc.record({ kind: fc.constant('admit' as const), version: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('claim' as const) }),
  fc.record({ kind: fc.constant('close' as const), by: fc.constantFrom('cancelled' as const, 'superseded' as const) }),
  fc.record({ kind: fc.constant('skip' as const) }),
  fc.record({ kind: fc.constant('hand-back' as const), epoch: anyEpoch }),
  fc.record({ kind: fc.constant('finish' as const), epoch: anyEpoch, isFailure: fc.boolean() }),
  fc.record({ kind: fc.constant('lose' as const), epoch: anyEpoch, inDoubt: fc.boolean() }),
  fc.record({ kind: fc.constant('start' as const), epoch: anyEpoch, hasHappened: fc.boolean() }),
  fc.record({ kind: fc.constant('interrupt' as const), epoch: anyEpoch, inDoubt: fc.boolean() }),
  fc.record({ kind: fc.constant('cancel' as const) }),
  fc.record({ kind: fc.constant('expire' as const) }),
  fc.record({ kind: fc.constant('wait' as const), epoch: anyEpoch }),
  fc.record({ kind: fc.constant('wake' as const) }),
  fc.record({ kind: fc.constant('hand-over' as const) }),
  fc.record({ kind: fc.constant('take-back' as const), epoch: anyEpoch }),
)
type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never

function apply(record: Execution, step: Step): Execution | Refusal {
  switch (step.kind) {
    case 'admit':
      return admit(record, command({ version: step.version }), delivery())
    case 'claim':
      return claim(record, { owner: 'one' })
    case 'close':
      return close(record, step.by, at)
    case 'skip':
      return skip(record, 'exe-other', at)
    case 'hand-back':
      return handBack(record, { epoch: step.epoch, owner: 'one' }, at)
    case 'finish':
      return finish(record, ending({ epoch: step.epoch, ...(step.isFailure ? { outcome: broken } : {}) }))
    case 'lose':
      return lose(record, { epoch: step.epoch, at, inDoubt: step.inDoubt })
    case 'start':
      return start(record, { epoch: step.epoch, startedAt: at, hasHappened: step.hasHappened })
    case 'interrupt':
      return interrupt(record, { epoch: step.epoch, at, startedAt: at, inDoubt: step.inDoubt })
    case 'cancel':
      return requestCancel(record, at)
    case 'expire':
      return expire(record, at)
    case 'wait':
      return wait(record, { epoch: step.epoch, blockedBy: 'exe-other', at, until: at + 5000 })
    case 'wake':
      return wake(record, at)
    case 'hand-over':
      return handOver(record)
    case 'take-back':
      return takeBack(record, step.epoch)
  }
}

const endStates: readonly ExecutionState[] = executionStates.filter((one) => one !== 'ready' && one !== 'running')
const restStates: readonly ExecutionState[] = ['superseded', 'cancelled']

describe('an execution under any sequence of steps', () => {
  it('keeps the invariants of the protocol', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
        let record = execution()
        for (const step of steps) {
          const answer = apply(record, step)
          if (isRefusal(answer)) continue
          const next = answer as Execution
          if (next === record) continue
          // I4: seq grows by one with every change; an end state that is not at rest never changes.
          expect(next.seq).toBe(record.seq + 1)
          if (endStates.includes(record.state) && !restStates.includes(record.state))
            expect(next.state).toBe(record.state)
          // I2: only the owner ends an attempt, and epochs never go back.
          expect(next.epoch).toBeGreaterThanOrEqual(record.epoch)
          if (step.kind === 'finish' || step.kind === 'lose') expect(step.epoch).toBe(record.epoch)
          // I9: versions never go backwards. I5: no retry before its wait is over.
          expect(next.version).toBeGreaterThanOrEqual(record.version)
          if (next.failures > record.failures && next.state === 'ready') expect(next.runAt).toBeGreaterThan(at)
          if (next.runAt < record.runAt) expect([step.kind, record.blockedBy]).toEqual(['wake', 'exe-other'])
          // One owner while it runs, none otherwise; the attempt at work is the last one.
          expect(next.owner === null).toBe(next.state !== 'running')
          expect(next.attempts.filter((one) => one.outcome === null)).toHaveLength(next.state === 'running' ? 1 : 0)
          expect(next.endedAt !== null).toBe(endStates.includes(next.state))
          expect(next.attempts.length).toBeLessThanOrEqual(maxAttempts)
          // What was shown of the first start never changes, and nothing fails by losses alone that never started.
          const shown = toStatusMessage(record).timeline.startedAt
          if (shown !== null) expect(toStatusMessage(next).timeline.startedAt).toBe(shown)
          expect(next.losses).toBeLessThanOrEqual(maxLosses + 2)
          if (next.state === 'failed' && next.failures === 0) expect(next.attempts.at(-1)?.startedAt).not.toBe(null)
          record = next
        }
      }),
    )
  })
})
