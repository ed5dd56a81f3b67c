import { scheduledExecutionId } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import type { Execution } from '../../apps/executor-service/src/executions/execution.ts'
import { execution, executionId, jobId, policy, start } from '../../apps/executor-service/test/samples.ts'
import { backfillId } from '../../apps/job-service/src/domain/execution.ts'
import type { Answer } from './caller.ts'
import { checkBackfills } from './check-backfills.ts'
import type { Evidence } from './evidence.ts'
import type { JobVersion } from './records.ts'

const id = backfillId(jobId(), start)
const scheduledId = scheduledExecutionId(jobId(), start)
const backfilled = (change: Partial<Execution> = {}) =>
  execution({ id, cause: 'backfill', fireAt: start, state: 'succeeded', ...change })
const scheduled = (change: Partial<Execution> = {}) =>
  execution({ id: scheduledId, fireAt: start, state: 'succeeded', ...change })

const answer = (change: Partial<Answer> = {}): Answer => ({
  operation: { kind: 'backfill', job: 0, at: 0, body: {} },
  askedAt: start,
  at: start,
  status: 202,
  id: jobId(),
  body: { results: [{ fireAt: new Date(start).toISOString(), outcome: 'planned', executionId: id }] },
  mayHaveActed: false,
  ...change,
})
const refused = answer({ status: 409, body: {} })

/** What a world with these executions has left behind, each of which was called. */
const evidenceOf = (
  executions: readonly Execution[],
  answers: readonly Answer[],
  versions: readonly JobVersion[] = [],
) =>
  ({
    records: {
      executions: new Map(executions.map((one) => [one.id, one])),
      versions: new Map([[jobId(), versions]]),
    },
    calls: executions.map((one) => ({ executionId: one.id })),
    answers,
  }) as unknown as Evidence
const rulesOf = (...evidence: Parameters<typeof evidenceOf>) =>
  checkBackfills(evidenceOf(...evidence)).map(({ rule, subject }) => [rule, subject])

describe('the check of backfills', () => {
  it('finds nothing in a fire time that was backfilled', () => {
    expect(rulesOf([backfilled()], [answer()])).toEqual([])
  })

  it('finds one that was answered and is not there, or is another one', () => {
    expect(rulesOf([], [answer()])).toEqual([['I3', id]])
    expect(rulesOf([backfilled({ fireAt: start + 1000 })], [answer()])).toEqual([['I3', id]])
    expect(rulesOf([backfilled({ cause: 'manual' })], [answer()])).toEqual([['I3', id]])
  })

  it('finds one that no answer names, where no answer is in doubt', () => {
    expect(rulesOf([backfilled()], [])).toEqual([['I6', id]])
    expect(rulesOf([backfilled()], [refused])).toEqual([])
    expect(rulesOf([backfilled()], [answer({ mayHaveActed: true, body: { results: [] } })])).toEqual([])
  })

  it('finds one that was skipped, superseded, or cancelled while nothing cancels', () => {
    for (const state of ['skipped', 'superseded', 'cancelled'] as const)
      expect(rulesOf([backfilled({ state })], [answer()]), state).toEqual([['I1', id]])
    const pause = {
      version: 2,
      kind: 'pause',
      changedAt: start,
      schedule: { kind: 'manual' },
      state: 'paused',
    } as const
    expect(rulesOf([backfilled({ state: 'cancelled' })], [answer()], [pause])).toEqual([])
    expect(rulesOf([backfilled({ state: 'cancelled', cancelRequested: true })], [answer()])).toEqual([])
  })

  it('finds one that others were skipped because of, while it waited', () => {
    const skipped = (overlap: 'skip' | 'queue') =>
      scheduled({
        id: executionId(2),
        state: 'skipped',
        blockedBy: id,
        policy: policy({ overlap: { policy: overlap, limit: 1 } }),
      })
    expect(rulesOf([backfilled(), skipped('queue')], [answer()])).toEqual([['I13', executionId(2)]])
    expect(rulesOf([backfilled(), skipped('skip')], [answer()])).toEqual([])
  })

  it('finds a fire time that ran by its schedule as well', () => {
    expect(rulesOf([backfilled(), scheduled()], [answer()])).toEqual([['I1', id]])
    expect(rulesOf([backfilled(), scheduled({ version: 2 })], [answer()])).toEqual([])
  })

  it('finds nothing in a fire time that was to run again', () => {
    const again = backfillId(jobId(), start, '00000000-0000-7000-8000-000000000001')
    const body = { results: [{ fireAt: new Date(start).toISOString(), outcome: 'planned', executionId: again }] }
    expect(rulesOf([backfilled({ id: again }), scheduled()], [answer({ body })])).toEqual([])
  })
})
