import { type BackfillReply, scheduledExecutionId } from '@belfry/contracts'
import type { Execution } from '../../apps/executor-service/src/executions/execution.ts'
import { backfillId } from '../../apps/job-service/src/domain/execution.ts'
import type { Violation } from '../violation.ts'
import type { Answer } from './caller.ts'
import { isTakenAway } from './check-fire-times.ts'
import type { Check, Evidence } from './evidence.ts'

const isBackfill = ({ cause }: Pick<Execution, 'cause'>) => cause === 'backfill'

/** What the answers say that they have made. */
const plannedOf = (answers: readonly Answer[]) =>
  answers.flatMap(({ status, body }) =>
    status === 202 ? (body as BackfillReply).results.filter(({ outcome }) => outcome === 'planned') : [],
  )

/** I3: what was answered as planned is there, for its fire time. */
function checkPlanned({ executions }: Evidence['records'], answers: readonly Answer[]): Violation[] {
  return plannedOf(answers).flatMap(({ executionId, fireAt }): Violation[] => {
    const execution = executions.get(executionId ?? '')
    if (execution && isBackfill(execution) && execution.fireAt === Date.parse(fireAt)) return []
    const text = `a backfill has planned it for ${fireAt}, and it is ${execution ? `one of ${execution.cause} at ${execution.fireAt}` : 'not there'}`
    return [{ rule: 'I3', subject: executionId ?? 'none', text }]
  })
}

/**
 * I6: an answer names each execution of a backfill. One that was refused, or sent twice, may have made others: a change of the job that comes
 * between two tries, or between two batches of one, ends it or gives it other fire times.
 */
function checkNamed(backfills: readonly Execution[], answers: readonly Answer[]): Violation[] {
  const named = new Set(plannedOf(answers).map(({ executionId }) => executionId))
  const inDoubt = new Set(answers.flatMap(({ id, status, mayHaveActed }) => (status > 202 || mayHaveActed ? [id] : [])))
  return backfills
    .filter(({ id, jobId }) => !named.has(id) && !inDoubt.has(jobId))
    .map(({ id }) => ({ rule: 'I6', subject: id, text: 'an execution of a backfill that no answer names' }))
}

/** I1: it runs, unless its job was stopped or it was cancelled by name. It waits for a place however many others do. */
function checkEnds({ versions }: Evidence['records'], backfills: readonly Execution[]): Violation[] {
  return backfills.flatMap((execution): Violation[] => {
    const { id, jobId, state } = execution
    const isWrong = state === 'skipped' || isTakenAway(execution, versions.get(jobId) ?? [])
    return isWrong ? [{ rule: 'I1', subject: id, text: `an execution of a backfill ended ${state}` }] : []
  })
}

/** I13: one of a backfill is never the one that waits for the next place, because of which others are skipped. */
function checkSkipped({ executions }: Evidence['records']): Violation[] {
  return [...executions.values()].flatMap(({ id, state, blockedBy, policy }): Violation[] => {
    const letsOneWait = policy.overlap.policy === 'queue' || policy.overlap.policy === 'cancel-running'
    const other = executions.get(blockedBy ?? '')
    if (state !== 'skipped' || !letsOneWait || !other || !isBackfill(other)) return []
    return [{ rule: 'I13', subject: id, text: `it was skipped because of ${other.id}, which is of a backfill` }]
  })
}

/**
 * I1: no fire time runs by its schedule and by a backfill, unless `again` was asked for. A change that is stored after the backfill, with a
 * time before the fire time (by the clock of another instance), has the scheduler decide on it anew (decision 002).
 */
function checkTwice({ records, calls }: Evidence, backfills: readonly Execution[]): Violation[] {
  const called = new Set(calls.map(({ executionId }) => executionId))
  return backfills.flatMap(({ id, jobId, fireAt, version }): Violation[] => {
    if (id !== backfillId(jobId, fireAt) || !called.has(id)) return []
    const scheduled = records.executions.get(scheduledExecutionId(jobId, fireAt))
    if (!scheduled || !called.has(scheduled.id) || scheduled.version > version) return []
    return [{ rule: 'I1', subject: id, text: `its fire time ran by the schedule too, as ${scheduled.id}` }]
  })
}

/** What docs/guide/executions.md and docs/protocol.md step 9 say of backfills. */
export const checkBackfills: Check = (evidence) => {
  const { records } = evidence
  const answers = evidence.answers.filter(({ operation }) => operation.kind === 'backfill')
  const backfills = [...records.executions.values()].filter(isBackfill)
  return [
    ...checkPlanned(records, answers),
    ...checkNamed(backfills, answers),
    ...checkEnds(records, backfills),
    ...checkSkipped(records),
    ...checkTwice(evidence, backfills),
  ]
}
