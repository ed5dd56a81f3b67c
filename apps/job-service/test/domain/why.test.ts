import { type AttemptRecord, type ChangeKind, executionStatusOf, type JobStatusMessage } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import type { Execution } from '../../src/domain/execution.ts'
import type { Job } from '../../src/domain/job.ts'
import { explain } from '../../src/domain/why/explain.ts'
import type { WhyFacts } from '../../src/domain/why/facts.ts'
import { jobOf, monday, statusMessage } from '../fixtures.ts'

const at = monday + 3_600_000
const minute = 60_000
const every = { kind: 'interval', everyMs: minute, anchorAt: monday } as const

/** A job of an hour, with more changes: their kinds, and when they were made after the creation, milliseconds. */
function jobWith(...changes: (readonly [ChangeKind, number])[]): Job {
  const job = jobOf({ schedule: every })
  const more = changes.map(([kind, afterMs], index) => ({
    ...{ kind, version: index + 2, changedAt: monday + afterMs },
    schedule: every,
  }))
  return { ...job, version: more.length + 1, changes: [...job.changes, ...more] }
}

type Timeline = JobStatusMessage['timeline']
interface Ran
  extends Partial<Pick<JobStatusMessage, 'state' | 'failures' | 'blockedBy' | 'error' | 'retryOf' | 'cause'>> {
  readonly timeline?: Partial<Timeline>
  readonly attempts?: readonly Partial<AttemptRecord>[]
  readonly retriedBy?: string
  readonly reason?: string
}

function executionOf({ timeline = {}, attempts = [], retriedBy, reason, ...more }: Ran): Execution {
  const none = { epoch: 1, executor: 'e', startedAt: at, endedAt: null, outcome: null, error: null }
  const message: JobStatusMessage = {
    ...statusMessage({ fireAt: at }),
    ...more,
    attempts: attempts.map((one) => ({ ...none, ...one })),
  }
  message.timeline = {
    ...message.timeline,
    plannedAt: at - 4600,
    sentAt: at - 4600,
    admittedAt: at - 4590,
    ...timeline,
  }
  const { executionId: id, jobId, ownerId, jobType, version, fireAt, seq, ...detail } = message
  const status = executionStatusOf(message)
  return {
    ...{ id, jobId, jobName: 'nightly', ownerId, jobType, version, fireAt, seq, status },
    ...{ reason: reason ?? null, hasOwnParams: false, retriedBy: retriedBy ?? null, detail },
  }
}

const ran = (more: Ran = {}) => executionOf({ state: 'succeeded', attempts: [{ outcome: 'succeeded' }], ...more })

const facts = (more: Partial<WhyFacts> = {}): WhyFacts => ({
  ...{ now: at + minute, at, job: jobWith(), execution: null, range: null, requests: [], blocker: null },
  ...{ waitingFor: null, keptSince: 0, schedule: { hasTime: true, before: at - minute, after: at + minute } },
  ...more,
})

const blocker = { id: 'exe-other', status: 'RUNNING' as const, startedAt: at - 1000 }
const range = (decision: 'missed' | 'paused' | 'excluded', reason: string) => ({
  ...{ from: at, to: at, count: 1, version: 1, decision, reason },
})
const paused = jobWith(['pause', minute])
const requests = [{ at: monday + minute, actorName: 'Ann', action: 'pauseJob', version: 2 }]

/** What is known, the codes that answer it, what the first text contains, and the kinds of its evidence. */
const table: [string, Partial<WhyFacts>, string[], string, string[]][] = [
  [
    'a run on time',
    { execution: ran({ timeline: { startedAt: at + 12 } }) },
    ['ran-on-time'],
    '12 ms after its time',
    ['execution'],
  ],
  [
    'a run at work',
    { execution: executionOf({ state: 'running', attempts: [{}], timeline: { startedAt: at } }) },
    ['is-running'],
    'It runs since',
    ['execution'],
  ],
  [
    'a late start for want of a slot',
    { execution: ran({ timeline: { startedAt: at + 9000 } }) },
    ['ran-late', 'waited-for-slot'],
    '9s after its time',
    ['execution'],
  ],
  [
    'a late start for want of a place',
    { execution: ran({ timeline: { startedAt: at + 9000 }, blockedBy: 'exe-other' }), blocker },
    ['ran-late', 'waited-for-place'],
    '9s after its time',
    ['execution'],
  ],
  [
    'a late start after a standstill of the scheduler',
    { execution: ran({ timeline: { plannedAt: at + 8000, admittedAt: at + 8010, startedAt: at + 8020 } }) },
    ['ran-late', 'handed-over-late'],
    'after its time',
    ['execution'],
  ],
  [
    'a late start for want of an executor',
    { execution: ran({ timeline: { admittedAt: at + 5000, startedAt: at + 5010 } }) },
    ['ran-late', 'waited-for-executor'],
    'after its time',
    ['execution'],
  ],
  [
    'one that waits for a slot',
    { execution: executionOf({ state: 'ready' }), waitingFor: 'slot' },
    ['waits-for-slot'],
    'free slot',
    ['execution'],
  ],
  [
    'one that waits for a place',
    { execution: executionOf({ state: 'ready', blockedBy: 'exe-other' }), waitingFor: 'place', blocker },
    ['waits-for-place'],
    'exe-other holds one',
    ['execution', 'execution'],
  ],
  [
    'one whose job type no executor has',
    { execution: executionOf({ state: 'ready' }), waitingFor: 'job-type' },
    ['waits-for-job-type'],
    'no executor has the job type DUMMY',
    ['execution', 'job-type'],
  ],
  [
    'one that is handed over',
    { execution: executionOf({ state: 'ready' }), now: at - 1000 },
    ['scheduled'],
    'starts at',
    ['execution'],
  ],
  [
    'a failure',
    {
      execution: ran({
        state: 'failed',
        error: { code: 'http-500', message: 'the server said 500' },
        attempts: [{ outcome: 'failed' }],
      }),
    },
    ['failed'],
    'one attempt: the server said 500 (http-500)',
    ['execution'],
  ],
  [
    'a retry that is to come',
    { execution: executionOf({ state: 'ready', failures: 1, attempts: [{ outcome: 'failed' }] }) },
    ['retries'],
    'tried again',
    ['execution'],
  ],
  [
    'several attempts',
    {
      execution: ran({
        timeline: { startedAt: at },
        attempts: [
          { outcome: 'failed', error: { code: 'x', message: '' } },
          { epoch: 2, outcome: 'succeeded' },
        ],
      }),
    },
    ['ran-on-time', 'took-several-attempts'],
    'It ran at',
    ['execution'],
  ],
  ['a lost one', { execution: ran({ state: 'lost' }) }, ['lost'], 'must not run twice', ['execution']],
  [
    'an expired one',
    { execution: ran({ state: 'expired', attempts: [] }) },
    ['expired'],
    'had not started',
    ['execution'],
  ],
  [
    'a skipped one, and what blocked it',
    { execution: ran({ state: 'skipped', attempts: [], blockedBy: 'exe-other' }), blocker },
    ['skipped'],
    'exe-other had not ended',
    ['execution', 'execution'],
  ],
  [
    'one that a change took away',
    {
      execution: ran({ state: 'superseded', attempts: [] }),
      job: jobWith(['update', minute]),
      requests: [{ ...requests[0]!, action: 'updateJob' }],
    },
    ['superseded'],
    'the job was changed',
    ['execution', 'audit', 'job'],
  ],
  [
    'a manual trigger',
    { execution: ran({ cause: 'manual', reason: 'a test', timeline: { startedAt: at } }) },
    ['ran-on-time', 'is-asked-for'],
    'It ran',
    ['execution'],
  ],
  [
    'a retry by hand',
    { execution: ran({ retryOf: 'exe-a', cause: 'retry', retriedBy: 'exe-b', timeline: { startedAt: at } }) },
    ['ran-on-time', 'runs-another-again', 'was-run-again'],
    'It ran',
    ['execution'],
  ],
  [
    'a missed time',
    { range: range('missed', 'too-old') },
    ['missed'],
    'older than the misfire policy allows',
    ['fire-log'],
  ],
  [
    'a late time of which a newer one ran',
    { range: range('missed', 'overdue') },
    ['missed'],
    'runs a newer one',
    ['fire-log'],
  ],
  [
    'a pause, and who made it',
    { range: range('paused', 'paused'), job: paused, requests },
    ['paused'],
    'by Ann',
    ['audit', 'job', 'fire-log'],
  ],
  [
    'a pause of which no request is recorded',
    { range: range('paused', 'paused'), job: paused },
    ['paused'],
    'was paused since',
    ['job', 'fire-log'],
  ],
  ['an excluded time', { range: range('excluded', 'calendar') }, ['excluded'], 'was excluded (calendar)', ['fire-log']],
  ['a time before the job', { at: monday - 1 }, ['before-the-job'], 'did not exist', ['job']],
  ['a time to come', { now: at - minute }, ['not-due-yet'], 'not due yet', ['job']],
  [
    'a time to come of a paused job',
    { now: at - minute, job: paused, requests },
    ['paused'],
    'by Ann',
    ['audit', 'job'],
  ],
  ['a time after a cancel', { job: jobWith(['cancel', minute]) }, ['job-cancelled'], 'was cancelled', ['job']],
  [
    'a time after a delete',
    { job: jobWith(['cancel', minute], ['delete', 2 * minute]) },
    ['job-deleted'],
    'was deleted',
    ['job'],
  ],
  [
    'no fire time there',
    { schedule: { hasTime: false, before: at - 30_000, after: at + 30_000 } },
    ['no-fire-time'],
    'the next one is 2026-11-02T10:15:30.000Z',
    ['job'],
  ],
  [
    'no fire time there, and a change afterwards',
    { schedule: { hasTime: false, before: null, after: null }, job: jobWith(['update', 3_600_001]) },
    ['no-fire-time', 'job-changed'],
    'none around it',
    ['job'],
  ],
  ['a job without a schedule', { job: jobOf() }, ['no-schedule'], 'only when it was triggered', ['job']],
  ['a fire time of which nothing is known', {}, ['no-record'], 'on its way', ['job']],
  ['one that retention has removed', { keptSince: at + 1 }, ['no-record'], 'removed by retention', ['job']],
]

describe('why a run happened or did not', () => {
  it.each(table)('names %s', (_, known, codes, text, evidence) => {
    const answers = explain(facts(known))
    expect(answers.map(({ code }) => code)).toEqual(codes)
    expect(answers[0]?.text).toContain(text)
    expect(answers[0]?.evidence.map(({ kind }) => kind)).toEqual(evidence)
    for (const one of answers) {
      expect(one.text).toMatch(/^[A-Z].*\.$/)
      for (const { href } of one.evidence) expect(href).toMatch(/^\/(?:executions|jobs|audit|job-types)/)
    }
  })
})
