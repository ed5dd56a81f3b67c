import { type ExecutionState, executionStates, isRefusal } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { claim, close, expire, handBack, isTooLate, skip } from '../src/domain/claim.ts'
import { admit } from '../src/domain/command.ts'
import { type Execution, maxAttempts, toStatusMessage } from '../src/domain/execution.ts'
import { finish, lose, maxLosses, requestCancel, takeBack } from '../src/domain/finish.ts'
import { failed, readResult, timedOut } from '../src/domain/outcome.ts'
import { command, delivery, execution, policy, runningExecution, start } from './samples.ts'

const at = start + 2000
const broken = failed('broken', 'It broke.')
const ending = (change: Partial<Parameters<typeof finish>[1]> = {}) => ({
  epoch: 1,
  at,
  startedAt: start + 1000,
  outcome: readResult({ ok: true }),
  artifacts: [],
  random: 0,
  ...change,
})

/** The record, when the transition was allowed. */
function taken(answer: Execution | { refused: string }): Execution {
  if (isRefusal(answer)) throw new Error(`refused: ${answer.detail}`)
  return answer as Execution
}

describe('a command', () => {
  it('begins a record that is ready at its fire time', () => {
    expect(admit(undefined, command(), delivery())).toMatchObject({
      state: 'ready',
      seq: 1,
      epoch: 0,
      runAt: start + 1000,
    })
  })

  it('ends as expired when it was planned before the retention', () => {
    const record = admit(undefined, command(), delivery({ oldestPlannedAt: start + 1 }))
    expect(record).toMatchObject({ state: 'expired', endedAt: start })
  })

  it('is kept however far back its fire time lies, as long as it was planned lately', () => {
    const late = command({ fireAt: start - 10 * 365 * 86_400_000 })
    expect(admit(undefined, late, delivery({ oldestPlannedAt: start - 1 })).state).toBe('ready')
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
    const record = taken(claim(execution({ epoch: 4 }), { owner: 'two', startsAt: at }))
    expect(record).toMatchObject({ state: 'running', epoch: 5, owner: 'two', seq: 2 })
    expect(record.attempts).toEqual([
      { epoch: 5, executor: 'two', startedAt: at, endedAt: null, outcome: null, error: null },
    ])
  })

  it('keeps the first attempt and the newest ones', () => {
    let record = execution()
    for (let i = 0; i < 30; i++) {
      record = taken(claim(record, { owner: 'one', startsAt: at + i }))
      record = taken(lose({ ...record, losses: 0 }, { epoch: record.epoch, at: at + i, inDoubt: false }))
    }
    expect(record.attempts).toHaveLength(maxAttempts)
    expect(record.attempts[0]?.epoch).toBe(1)
    expect(record.attempts.at(-1)?.epoch).toBe(30)
    expect(toStatusMessage(record).timeline.startedAt).toBe(at)
  })

  it.each(['cancelled', 'superseded'] as const)('is undone by a floor (%s) without a try being charged', (by) => {
    const record = taken(close(runningExecution(), by, at))
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
    expect(taken(skip(runningExecution(), 'exe-other', at))).toMatchObject({
      state: 'skipped',
      blockedBy: 'exe-other',
      attempts: [],
    })
  })

  it('that has not started goes back to ready, as if nothing had been', () => {
    const record = taken(handBack(runningExecution(), 1, at))
    expect(record).toMatchObject({ state: 'ready', owner: null, attempts: [], failures: 0, losses: 0, epoch: 1 })
  })

  it('that has not started ends when a cancel came in between', () => {
    expect(taken(handBack(runningExecution({ cancelRequested: true }), 1, at)).state).toBe('cancelled')
  })

  it('is too late after the record has expired', () => {
    const record = execution({ expiresAt: at })
    expect([isTooLate(record, at), isTooLate(record, at + 1), isTooLate(execution(), at)]).toEqual([false, true, false])
    expect(taken(expire(record, at + 1)).state).toBe('expired')
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
    expect(record.attempts[0]).toMatchObject({ outcome: 'succeeded', startedAt: start + 1000, endedAt: at })
  })

  it('of a failure waits for the next try with growing waits, then fails for good', () => {
    let record = execution()
    const waits: number[] = []
    while (record.state === 'ready') {
      record = taken(claim(record, { owner: 'one', startsAt: null }))
      record = taken(finish(record, ending({ epoch: record.epoch, outcome: broken })))
      if (record.state === 'ready') waits.push(record.runAt - at)
    }
    expect(waits).toEqual([5000, 10_000, 20_000])
    expect(record).toMatchObject({ state: 'failed', failures: 4, epoch: 4, error: broken.error, endedAt: at })
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
  it('gives the execution back, to run again under a new epoch', () => {
    const record = taken(lose(runningExecution(), { epoch: 1, at, inDoubt: true }))
    expect(record).toMatchObject({ state: 'ready', losses: 1, failures: 0, inDoubt: [{ epoch: 1, lostAt: at }] })
    expect(record.attempts[0]).toMatchObject({ outcome: 'lost', startedAt: start + 1000 })
  })

  it('leaves nothing in doubt when its process is known to be gone', () => {
    expect(taken(lose(runningExecution(), { epoch: 1, at, inDoubt: false })).inDoubt).toEqual([])
  })

  it('does not claim that an attempt started which was only planned to', () => {
    const record = taken(lose(runningExecution(), { epoch: 1, at: start + 999, inDoubt: false }))
    expect(record.attempts[0]?.startedAt).toBe(null)
  })

  it('ends it when it must not run twice, was cancelled, or was lost too often', () => {
    const loss = { epoch: 1, at, inDoubt: true }
    const once = runningExecution({ policy: policy({ onLostLease: 'fail' }) })
    expect(taken(lose(once, loss)).state).toBe('lost')
    expect(taken(lose(runningExecution({ cancelRequested: true }), loss)).state).toBe('cancelled')
    expect(taken(lose(runningExecution({ losses: maxLosses - 1 }), loss)).state).toBe('ready')
    const record = taken(lose(runningExecution({ losses: maxLosses }), loss))
    expect(record).toMatchObject({ state: 'failed', error: { code: 'lost-too-often' } })
  })
})

describe('a cancel', () => {
  it('ends what waits and asks what runs, once', () => {
    expect(taken(requestCancel(execution({ failures: 1 }), at))).toMatchObject({ state: 'cancelled', endedAt: at })
    const asked = taken(requestCancel(runningExecution(), at))
    expect(asked).toMatchObject({ state: 'running', cancelRequested: true, seq: 3 })
    expect(requestCancel(asked, at)).toBe(asked)
  })

  it('is refused once it has ended, with the state', () => {
    const answer = requestCancel(execution({ state: 'succeeded' }), at)
    expect(answer).toMatchObject({ refused: 'illegal-transition', detail: expect.stringContaining('SUCCESS') })
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
  fc.record({ kind: fc.constant('cancel' as const) }),
  fc.record({ kind: fc.constant('expire' as const) }),
  fc.record({ kind: fc.constant('take-back' as const), epoch: anyEpoch }),
)
type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never

function apply(record: Execution, step: Step): Execution | { refused: string } {
  switch (step.kind) {
    case 'admit':
      return admit(record, command({ version: step.version }), delivery())
    case 'claim':
      return claim(record, { owner: 'one', startsAt: at })
    case 'close':
      return close(record, step.by, at)
    case 'skip':
      return skip(record, 'exe-other', at)
    case 'hand-back':
      return handBack(record, step.epoch, at)
    case 'finish':
      return finish(record, ending({ epoch: step.epoch, ...(step.isFailure ? { outcome: broken } : {}) }))
    case 'lose':
      return lose(record, { epoch: step.epoch, at, inDoubt: step.inDoubt })
    case 'cancel':
      return requestCancel(record, at)
    case 'expire':
      return expire(record, at)
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
          // One owner while it runs, none otherwise; the attempt at work is the last one.
          expect(next.owner === null).toBe(next.state !== 'running')
          expect(next.attempts.filter((one) => one.outcome === null)).toHaveLength(next.state === 'running' ? 1 : 0)
          expect(next.endedAt !== null).toBe(endStates.includes(next.state))
          expect(next.attempts.length).toBeLessThanOrEqual(maxAttempts)
          expect(next.losses).toBeLessThanOrEqual(maxLosses + 1)
          record = next
        }
      }),
    )
  })
})
