import { scheduledExecutionId } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { chaosInstances } from './campaign.ts'
import { checkEvidence, type Evidence } from './check.ts'
import type { Answered } from './load.ts'
import { type LoadRequest, makePlan, subjectOf } from './plan.ts'
import type { StoredCopy, StoredExecution, StoredJob, StoreState } from './stores.ts'
import type { Call } from './target-record.ts'
import { judgeStep } from './watch.ts'

const start = Date.parse('2026-01-01T00:00:00.000Z')
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const jobId = (n: number) => `job-${uuid(n)}`

const requests: LoadRequest[] = [
  { kind: 'one-shot', name: 'once-0', atMs: 0, delayMs: 1_000, workMs: 0, failures: 1 },
  { kind: 'cron', name: 'cron-0', atMs: 0, workMs: 0, overlap: 'skip' },
  { kind: 'cancel', name: 'cancel-cron-0', of: 'cron-0', atMs: 3_000 },
  { kind: 'manual', name: 'manual-0', atMs: 0 },
  { kind: 'trigger', name: 'trigger-0', of: 'manual-0', atMs: 0, workMs: 0 },
]

const attempt = (epoch: number, outcome: 'succeeded' | 'failed' | 'lost', at: number) => {
  return { epoch, executor: 'executor-0', startedAt: at, endedAt: at + 10, outcome, error: null }
}

function succeeded(id: string, job: number, fireAt: number, call: number, more: Partial<StoredExecution> = {}) {
  const execution: StoredExecution = {
    ...{
      id,
      jobId: jobId(job),
      version: 1,
      cause: 'schedule',
      fireAt,
      state: 'succeeded',
      seq: 4,
      epoch: 1,
      owner: null,
    },
    ...{ runAt: fireAt, cancelRequested: false, attempts: [attempt(1, 'succeeded', fireAt)], failures: 0, losses: 0 },
    ...{ error: null, result: { status: 200, body: { call } } },
  }
  return { ...execution, ...more }
}

const copyOf = ({ id, jobId, seq, version, epoch, attempts }: StoredExecution): StoredCopy => {
  return { id, jobId, seq, version, status: 'SUCCESS', epoch, attempts }
}

function callOf({ id, jobId, fireAt }: StoredExecution, call: number, at: number, epoch = 1, status = 200): Call {
  return { call, at, name: '', key: id, jobId, epoch, fireAt, answeredAt: at + 5, status }
}

function jobOf(n: number, name: string, more: Partial<StoredJob> = {}): StoredJob {
  const created = { version: 1, changedAt: start + 100, kind: 'create' as const, schedule: { kind: 'manual' as const } }
  return { id: jobId(n), name, state: 'active', version: 1, runAt: null, changes: [created], ...more }
}

function answer(name: string, kind: LoadRequest['kind'], id: string, body: Record<string, unknown> = {}): Answered {
  return { name, kind, at: start + 3_100, status: kind === 'cancel' ? 200 : 201, id, body }
}

/** What a campaign without any violation leaves: a one-shot that failed once, a cron of three seconds, and a trigger. */
function sound() {
  const once = succeeded(scheduledExecutionId(jobId(0), start + 1_100), 0, start + 1_100, 1, {
    ...{ epoch: 2, failures: 1 },
    attempts: [attempt(1, 'failed', start + 1_100), attempt(2, 'succeeded', start + 1_500)],
  })
  const crons = [1_000, 3_000].map((at, n) => {
    return succeeded(scheduledExecutionId(jobId(1), start + at), 1, start + at, n + 2)
  })
  const trigger = succeeded(`exe-1-${uuid(9)}`, 2, start + 500, 4)
  const executions = [once, ...crons, trigger]
  const cancelled = {
    version: 2,
    changedAt: start + 3_050,
    kind: 'cancel' as const,
    schedule: { kind: 'manual' as const },
  }
  const cron = jobOf(1, 'cron-0')
  const jobs = [
    jobOf(0, 'once-0', { runAt: start + 1_100 }),
    { ...cron, state: 'cancelled', version: 2, changes: [...cron.changes, cancelled] },
    jobOf(2, 'manual-0'),
  ]
  const range = {
    jobId: jobId(1),
    from: start + 2_000,
    to: start + 2_000,
    count: 1,
    decision: 'missed',
    reason: 'late',
  }
  const stores: StoreState = {
    ...{ executions, copies: executions.map(copyOf), jobs, schedules: [], fireLog: [range], poison: [] },
  }
  const calls = [
    callOf(once, 0, start + 1_101, 1, 500),
    callOf(once, 1, start + 1_500, 2),
    ...crons.map((one, n) => callOf(one, n + 2, one.fireAt + 1)),
    callOf(trigger, 4, start + 600),
  ]
  const answered = [
    answer('once-0', 'one-shot', jobId(0)),
    answer('cron-0', 'cron', jobId(1)),
    answer('cancel-cron-0', 'cancel', jobId(1), { inFlight: [] }),
    answer('manual-0', 'manual', jobId(2)),
    answer('trigger-0', 'trigger', trigger.id),
  ]
  const load = {
    answered: new Map(answered.map((one) => [one.name, one])),
    unanswered: [],
    refusals: new Map(),
    wrong: [],
  }
  return { plan: { load: requests }, load, stores, calls } satisfies Evidence
}

const rulesOf = (evidence: Evidence) => [...new Set(checkEvidence(evidence).map(({ rule }) => rule))].sort()
type Sound = ReturnType<typeof sound>

/** The evidence with other stores. */
const stored = (world: Sound, change: Partial<StoreState>) => ({ ...world, stores: { ...world.stores, ...change } })

/** With one execution changed, and its copy with it. */
function changedExecution(world: Sound, index: number, change: Partial<StoredExecution>): Evidence {
  const executions = world.stores.executions.map((one, n) => (n === index ? { ...one, ...change } : one))
  return stored(world, { executions, copies: executions.map(copyOf) })
}

const withCall = (world: Sound, call: Call): Evidence => ({ ...world, calls: [...world.calls, call] })
const first = (world: Sound) => world.stores.executions[0] as StoredExecution
const second = (world: Sound) => world.stores.executions[1] as StoredExecution

describe('the check of what a campaign has left', () => {
  it('finds nothing where nothing is wrong', () => expect(checkEvidence(sound())).toEqual([]))

  const wrongs: [string, string, (world: Sound) => Evidence][] = [
    ['I1', 'a fire time without an outcome', (world) => stored(world, { fireLog: [] })],
    [
      'I1',
      'a fire time with an execution and a range of the fire log',
      (world) =>
        stored(world, { fireLog: world.stores.fireLog.map((one) => ({ ...one, from: start + 1_000, count: 2 })) }),
    ],
    [
      'I2',
      'a result that another attempt has brought',
      (world) => changedExecution(world, 0, { result: { body: { call: 0 } } }),
    ],
    [
      'I3',
      'a job that was answered and is not stored',
      (world) => stored(world, { jobs: world.stores.jobs.filter(({ name }) => name !== 'manual-0') }),
    ],
    [
      'I3',
      'a cancel that was answered and is not stored',
      (world) => stored(world, { jobs: world.stores.jobs.map((one) => ({ ...one, state: 'active' })) }),
    ],
    [
      'I4',
      'a copy that is older than the execution',
      (world) => stored(world, { copies: world.stores.copies.map((one) => ({ ...one, seq: one.seq - 1 })) }),
    ],
    ['I5', 'a call before its time', (world) => withCall(world, callOf(second(world), 9, start + 999, 1))],
    ['I5', 'a retry before its wait is over', (world) => withCall(world, callOf(first(world), 9, start + 1_300, 2))],
    [
      'I6',
      'two jobs of one Idempotency-Key',
      (world) => stored(world, { jobs: [...world.stores.jobs, jobOf(7, 'manual-0')] }),
    ],
    ['I7', 'an attempt that calls twice', (world) => withCall(world, callOf(second(world), 9, start + 1_400, 1))],
    ['I7', 'a start that nothing explains', (world) => withCall(world, callOf(second(world), 9, start + 1_400, 2))],
    [
      'I8',
      'a start after the cancel',
      (world) => withCall(world, { ...callOf(second(world), 9, start + 3_200, 1), key: 'exe-late' }),
    ],
    ['I10', 'an execution that never ends', (world) => changedExecution(world, 1, { state: 'ready' })],
    [
      'I13',
      'two runs of one job at once',
      (world) => ({ ...world, calls: world.calls.map((one) => ({ ...one, answeredAt: one.at + 5_000 })) }),
    ],
    [
      'I12',
      'a message of a service that another did not understand',
      (world) => stored(world, { poison: ['job: {}'] }),
    ],
  ]
  it.each(wrongs)('finds %s: %s', (rule, _, damage) => expect(rulesOf(damage(sound()))).toContain(rule))

  it('finds states that go back', () => {
    const seen = { id: 'exe', seq: 4, state: 'running', epoch: 2, cancelRequested: false } as const
    expect(judgeStep(seen, { ...seen, seq: 5, state: 'succeeded' })).toBeUndefined()
    expect(judgeStep(seen, { ...seen, seq: 3 })).toMatch('seq')
    expect(judgeStep(seen, { ...seen, state: 'ready' })).toMatch('two states')
    expect(judgeStep({ ...seen, state: 'failed' }, { ...seen, seq: 5 })).toMatch('ended')
    expect(judgeStep({ ...seen, state: 'superseded' }, { ...seen, seq: 5 })).toBeUndefined()
  })
})

describe('the plan of a campaign', () => {
  const options = { seed: 7, faults: 50, executions: 5_000, durationMs: 350_000, instances: chaosInstances }

  it('is the same for the same seed, and another one for another', () => {
    expect(makePlan(options)).toEqual(makePlan(options))
    expect(makePlan({ ...options, seed: 8 }).faults).not.toEqual(makePlan(options).faults)
  })

  it('has the faults and about the executions that were asked for, and cancels every cron', () => {
    const { faults, load, durationMs } = makePlan(options)
    expect(faults).toHaveLength(50)
    expect(new Set(faults.map(subjectOf)).size).toBeGreaterThan(8)
    const of = (kind: LoadRequest['kind']) => load.filter((one) => one.kind === kind)
    const fireTimes = (of('cron').length * durationMs) / 1_000
    expect(of('one-shot').length + of('trigger').length + fireTimes).toBeGreaterThan(4_500)
    const cancelled = of('cancel').map((one) => (one.kind === 'cancel' ? one.of : ''))
    for (const { name } of of('cron')) expect(cancelled).toContain(name)
  })
})
