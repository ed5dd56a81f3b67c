import { jobExecuteMessage } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { advance } from '../../src/domain/advance.ts'
import { applyChanges } from '../../src/domain/apply-changes.ts'
import { withoutDelivered } from '../../src/domain/fire-log-outbox.ts'
import { acknowledge, takeDueCommands } from '../../src/domain/pending-commands.ts'
import { dueAt, type ScheduleRecord } from '../../src/domain/schedule-record.ts'
import { changesOf, compile, everySecond, horizon, jobId, noon, once, rules, second, statusOf } from '../fixtures.ts'

const fireAt = noon + 3 * second

function issued(): ScheduleRecord {
  const applied = applyChanges(null, changesOf([['create', noon, once(fireAt)]]), noon, compile, rules, horizon)
  if (applied.outcome !== 'applied') throw new Error(applied.outcome)
  return advance(applied.record, noon + 7, compile, rules)
}

describe('pending commands', () => {
  it('are made into commands of the protocol', () => {
    const { commands } = takeDueCommands(issued(), noon + 7, null, rules)
    expect(commands).toHaveLength(1)
    expect(jobExecuteMessage.parse(commands[0])).toMatchObject({
      jobId,
      executionId: `exe-${fireAt.toString(36)}-${jobId.slice(4)}`,
      version: 1,
      cause: 'schedule',
      fireAt,
      plannedAt: noon + 7,
      ownerId: 'usr-1',
      expiresAt: null,
    })
    expect(Object.keys(commands[0]!).slice(0, 2)).toEqual(['jobId', 'jobType'])
  })

  it('are repeated after 5 s, then after a wait that doubles up to a minute', () => {
    let record = issued()
    const waits: number[] = []
    for (let now = noon + 7; waits.length < 7; now = dueAt(record, rules)!) {
      const { record: sent, commands } = takeDueCommands(record, now, null, rules)
      expect(commands[0]?.plannedAt).toBe(noon + 7)
      waits.push(dueAt(sent, rules)! - now)
      record = sent
    }
    expect(waits).toEqual([5, 10, 20, 40, 60, 60, 60].map((s) => s * second))
  })

  it('are not sent before their time, but once after a restart', () => {
    const { record } = takeDueCommands(issued(), noon + 7, null, rules)
    expect(takeDueCommands(record, noon + 100, null, rules).commands).toEqual([])
    const restarted = takeDueCommands(record, noon + 100, noon + 100, rules)
    expect(restarted.commands).toHaveLength(1)
    expect(takeDueCommands(restarted.record, noon + 101, noon + 100, rules).commands).toEqual([])
  })
})

describe('an acknowledgement', () => {
  const cases = [
    ['the execution at its version', { version: 1, state: 'ready' }, true],
    ['the execution running at its version', { version: 1, state: 'running' }, true],
    ['the execution at a newer version', { version: 3, state: 'ready' }, true],
    ['an execution that was superseded at its version', { version: 1, state: 'superseded' }, true],
  ] as const
  it.each(cases)('of %s ends the repetitions', (_, status, isDone) => {
    const record = acknowledge(issued(), statusOf(fireAt, status), noon)
    expect(record.pending.length === 0).toBe(isDone)
    expect(dueAt(record, rules)).toBeNull()
  })

  const newer = (): ScheduleRecord => {
    const record = issued()
    return { ...record, version: 2, pending: record.pending.map((command) => ({ ...command, version: 2 })) }
  }
  const older = [
    ['still waits', 'ready', false],
    ['has started', 'running', false],
    ['is at rest', 'superseded', false],
    ['was closed', 'cancelled', false],
    ['has succeeded', 'succeeded', true],
    ['has failed', 'failed', true],
    ['was skipped', 'skipped', true],
    ['is too old', 'expired', true],
  ] as const
  it.each(older)(
    'of an older version that %s (%s) ends them: only if it never changes any more',
    (_, state, isDone) => {
      expect(acknowledge(newer(), statusOf(fireAt, { state }), noon).pending.length === 0).toBe(isDone)
    },
  )

  it('of an older version that was cancelled by name ends them: nothing opens it again', () => {
    const status = statusOf(fireAt, { state: 'cancelled', cancelRequested: true })
    expect(acknowledge(newer(), status, noon).pending).toEqual([])
  })

  it('of an older version that is at rest is due again at once, since the execution was claimed when it came', () => {
    const record = newer()
    const [command] = record.pending
    const after = acknowledge(record, statusOf(fireAt, { state: 'superseded' }), noon + 7)
    expect(after.pending).toEqual([{ ...command, nextSendAt: noon + 7 }])
    expect(acknowledge(after, statusOf(fireAt, { state: 'superseded' }), noon + 9)).toBe(after)
    for (const state of ['ready', 'running'] as const)
      expect(acknowledge(record, statusOf(fireAt, { state }), noon + 7)).toBe(record)
  })

  it('of another fire time, or of another execution, changes nothing', () => {
    const record = issued()
    expect(acknowledge(record, statusOf(fireAt + second), noon)).toBe(record)
    expect(acknowledge(record, statusOf(fireAt, { executionId: 'exe-1-other' }), noon)).toBe(record)
  })

  it('drops the spec of an older version with its last command', () => {
    const applied = applyChanges(null, changesOf([['create', noon, everySecond]]), noon, compile, rules, horizon)
    if (applied.outcome !== 'applied') throw new Error(applied.outcome)
    const known = advance(applied.record, noon, compile, rules)
    const message = changesOf([
      ['create', noon, everySecond],
      ['cancel', noon + 1500],
    ])
    const cancelled = applyChanges(known, message, noon + 1500, compile, rules, horizon)
    if (cancelled.outcome !== 'applied') throw new Error(cancelled.outcome)
    expect(cancelled.record.olderSpecs.map(({ version }) => version)).toEqual([1])
    expect(acknowledge(cancelled.record, statusOf(noon + second), noon + 1500).olderSpecs).toEqual([])
  })
})

describe('a range of the fire-log outbox that was copied into the fire log', () => {
  it('is removed, and others stay', () => {
    const range = { from: 1, to: 2, count: 2, decision: 'missed', reason: 'overdue', version: 1 } as const
    const record = { ...issued(), fireLogOutbox: [range, { ...range, from: 3 }] }
    expect(withoutDelivered(record, [range]).fireLogOutbox).toEqual([{ ...range, from: 3 }])
    expect(withoutDelivered(record, [])).toBe(record)
  })
})

describe('the command of a one-shot that may expire', () => {
  it('names the moment, also when it is issued after that', () => {
    const base = changesOf([['create', noon, once(fireAt)]])
    const message = { ...base, spec: { ...base.spec, expiresAfterMs: 30 * second } }
    const applied = applyChanges(null, message, noon, compile, rules, horizon)
    if (applied.outcome !== 'applied') throw new Error(applied.outcome)
    const late = advance(applied.record, noon + 3600 * second, compile, rules)
    const { commands } = takeDueCommands(late, noon + 3600 * second, null, rules)
    expect(commands).toMatchObject([{ fireAt, expiresAt: fireAt + 30 * second }])
  })
})
