import { executionStatusOf, isEnded, takesPlace } from '@belfry/contracts'
import type { Violation } from '../violation.ts'
import { checkBackfills } from './check-backfills.ts'
import { checkFireTimes, checkRanges, isClosing, isTakenAway } from './check-fire-times.ts'
import type { Check, Evidence } from './evidence.ts'
import type { Call } from './target.ts'

/** I3: what was answered is stored, and ends. */
const checkAnswers: Check = ({ records, answers }) =>
  answers.flatMap(({ operation: { kind }, status, id, body }): Violation[] => {
    if (status >= 300) return []
    if (kind === 'trigger' || kind === 'retry-execution') {
      const made = String(body.id)
      const execution = records.executions.get(made)
      if (!execution)
        return [{ rule: 'I3', subject: made, text: `a ${kind} was answered ${status}, and there is no execution` }]
      const versions = records.versions.get(execution.jobId) ?? []
      return isTakenAway(execution, versions)
        ? [{ rule: 'I1', subject: made, text: `a ${kind} ended ${execution.state}` }]
        : []
    }
    if (kind === 'redrive' || kind === 'cancel-execution' || kind === 'backfill') return []
    const versions = records.versions.get(id)
    if (!versions) return [{ rule: 'I3', subject: id, text: `${kind} was answered ${status}, and there is no job` }]
    const answered = Number(body.version)
    if (Number.isInteger(answered) && !versions.some(({ version }) => version === answered))
      return [{ rule: 'I3', subject: id, text: `${kind} was answered with v${answered}, which was never stored` }]
    return []
  })

/** I6: one job for each create, one execution for each trigger and each retry. */
const checkKeys: Check = ({ records, answers }) => {
  const ofKind = (...kinds: string[]) =>
    answers.filter(({ operation, status }) => kinds.includes(operation.kind) && status < 300)
  const jobs = records.jobs.size
  const created = ofKind('create').length
  const doubled =
    jobs === created
      ? []
      : [{ rule: 'I6', subject: 'jobs', text: `${created} creates were answered, there are ${jobs} jobs` }]
  const answered = new Set(ofKind('trigger', 'retry-execution').map(({ body }) => String(body.id)))
  const unasked = [...records.executions.values()].filter(
    ({ id, cause }) => (cause === 'manual' || cause === 'retry') && !answered.has(id),
  )
  // A trigger that was stored without an answer, and a delete before it was asked again: it is answered 404 then.
  const isDeleted = (jobId: string) => records.versions.get(jobId)?.some(({ kind }) => kind === 'delete') === true
  const inDoubt = answers.filter(({ status, mayHaveActed }) => status === 404 && mayHaveActed).map(({ id }) => id)
  const isInDoubt = ({ cause, jobId, retryOf }: (typeof unasked)[number]) => {
    const at = isDeleted(jobId) ? inDoubt.indexOf((cause === 'manual' ? jobId : retryOf) ?? '') : -1
    return at >= 0 && inDoubt.splice(at, 1).length > 0
  }
  const hasRedrives = ofKind('redrive').length > 0
  return [
    ...doubled,
    ...unasked.flatMap((execution): Violation[] => {
      const { id, cause, retryOf } = execution
      if (isInDoubt(execution)) return []
      if (cause === 'retry' && hasRedrives) {
        const twice = unasked.filter((one) => one.retryOf === retryOf).length
        return twice > 1 ? [{ rule: 'I6', subject: id, text: `${twice} redrives of ${retryOf}` }] : []
      }
      return [{ rule: 'I6', subject: id, text: `an execution of cause ${cause} that no answer names` }]
    }),
  ]
}

const shortened = ['lost', 'failed', 'timed-out', 'interrupted', 'cancelled']

/** I2, I7: the recorded result is that of the attempt that owned the execution; each further start is explained. */
const checkCalls: Check = ({ records, calls }) => {
  const byExecution = Map.groupBy(calls, ({ executionId }) => executionId)
  return [...byExecution].flatMap(([id, own]): Violation[] => {
    const execution = records.executions.get(id)
    if (!execution) return [{ rule: 'I3', subject: id, text: 'it was called, and is not stored' }]
    const { attempts, losses, failures, state, result } = execution
    const epochs = new Set(own.map(({ epoch }) => epoch))
    const found: Violation[] = []
    if (own.length > epochs.size)
      found.push({
        rule: 'I7',
        subject: id,
        text: `${own.length - epochs.size} calls with an epoch that had called before`,
      })
    const ended = attempts.filter(({ outcome }) => outcome !== null && shortened.includes(outcome)).length
    const explained = Math.max(ended, losses + failures)
    if (epochs.size - 1 > explained)
      found.push({ rule: 'I7', subject: id, text: `${epochs.size} attempts have called, ${explained} are explained` })
    if (state === 'succeeded') {
      const winners = attempts.filter(({ outcome }) => outcome === 'succeeded')
      const call = calls[(result as { call?: number } | null)?.call ?? -1]
      if (winners.length !== 1 || call?.executionId !== id || call.epoch !== winners[0]?.epoch)
        found.push({
          rule: 'I2',
          subject: id,
          text: `${winners.length} attempts have succeeded (${winners[0]?.epoch}), its result is of epoch ${call?.epoch}`,
        })
    }
    return found
  })
}

/** I5: nothing before its fire time on the clock of its process, and no retry before its wait is over. */
const checkTimes: Check = ({ records, calls, clockSteps }) =>
  calls.flatMap(({ executionId, call, wallAt, fireAt, process, at }): Violation[] => {
    const isStepped = clockSteps.some((one) => one.process === process && Math.abs(one.at - at) < 2_000)
    const execution = records.executions.get(executionId)
    if (isStepped || wallAt >= fireAt || execution?.cause !== 'schedule') return []
    return [{ rule: 'I5', subject: executionId, text: `call ${call} came ${fireAt - wallAt} ms before its time` }]
  })

/** I8: after a 200 nothing starts that the change closes and the answer does not list. */
const checkFences: Check = ({ records, calls, answers }) =>
  answers.flatMap(({ operation: { kind }, status, at, id, body }) => {
    if (status !== 200 || !Array.isArray(body.inFlight) || body.effective !== 'now') return []
    const listed = new Set(
      (body.inFlight as { executionId: string; epoch: number }[]).map((one) => `${one.executionId} ${one.epoch}`),
    )
    const change = records.versions.get(id)?.find(({ version }) => version === Number(body.version))
    if (!change) return []
    const closes = (call: Call) => {
      if (call.version >= change.version) return false
      if (isClosing(change)) return true
      return records.executions.get(call.executionId)?.cause === 'schedule' && call.fireAt > change.changedAt
    }
    return calls
      .filter(
        (call) => call.jobId === id && call.at > at && closes(call) && !listed.has(`${call.executionId} ${call.epoch}`),
      )
      .map((call) => ({
        rule: 'I8',
        subject: call.executionId,
        text: `call ${call.call} of v${call.version} epoch ${call.epoch} came ${Math.round(call.at - at)} ms after the 200 to ${kind} (v${change.version})`,
      }))
  })

/** I8 for one execution: after a 200 to its cancel none of its attempts starts. */
const checkCancels: Check = ({ calls, answers }) =>
  answers.flatMap(({ operation: { kind }, status, at, id }) => {
    if (kind !== 'cancel-execution' || status !== 200) return []
    return calls
      .filter(({ executionId, at: calledAt }) => executionId === id && calledAt > at)
      .map(({ call }) => ({ rule: 'I8', subject: id, text: `call ${call} came after the 200 to its cancel` }))
  })

/** I4, I10: everything has ended, and job-service has the same. */
const checkRest: Check = ({ records }) => {
  const { executions, copies, jobs, schedules } = records
  const found: Violation[] = []
  for (const execution of executions.values()) {
    const { id, state, seq } = execution
    const copy = copies.get(id)
    if (!isEnded(state)) found.push({ rule: 'I10', subject: id, text: `it is still ${state}` })
    else if (!copy) found.push({ rule: 'I4', subject: id, text: 'job-service does not know it' })
    else if (copy.seq !== seq || copy.status !== executionStatusOf(execution))
      found.push({
        rule: 'I4',
        subject: id,
        text: `job-service has ${copy.status} at ${copy.seq}, the executors ${state} at ${seq}`,
      })
  }
  for (const { id, status } of copies.values())
    if (!executions.has(id))
      found.push({ rule: 'I10', subject: id, text: `job-service has it as ${status}, the executors never got it` })
  for (const { job, fencedVersion } of jobs.values()) {
    if (fencedVersion < job.version)
      found.push({ rule: 'I10', subject: job.id, text: `its fence is at v${fencedVersion} of v${job.version}` })
    const schedule = schedules.get(job.id)
    if (!schedule) found.push({ rule: 'I9', subject: job.id, text: 'the scheduler does not know it' })
    else if (schedule.version !== job.version)
      found.push({ rule: 'I9', subject: job.id, text: `the scheduler is at v${schedule.version} of v${job.version}` })
    if (schedule && schedule.pending.length > 0)
      found.push({ rule: 'I10', subject: job.id, text: `${schedule.pending.length} commands are pending` })
    if (schedule && schedule.fireLogOutbox.length > 0)
      found.push({ rule: 'I10', subject: job.id, text: 'its fire-log outbox is not empty' })
  }
  return found
}

const isWhole = (outcome: string | null) => outcome === 'succeeded' || outcome === 'failed'

/** How many of the calls are at work at once, at most. */
function mostAtOnce(calls: readonly Call[]): number {
  const edges = calls.flatMap(({ at, endedAt }) => [
    { at, by: 1 },
    { at: endedAt ?? Number.POSITIVE_INFINITY, by: -1 },
  ])
  let [open, most] = [0, 0]
  for (const { by } of edges.sort((a, b) => a.at - b.at || a.by - b.by)) {
    open += by
    most = Math.max(most, open)
  }
  return most
}

/**
 * I13: calls of a job whose runs do not overlap are no more than its limit at once. Versions of one job may have other policies, so each
 * execution counts by its own. Calls of an attempt that was lost or given up are left out: its executor may not have been able to stop it.
 */
const checkOverlaps: Check = ({ records, calls }) =>
  [...records.jobs.keys()].flatMap((id): Violation[] => {
    let limit = 0
    const held = calls.filter(({ jobId, executionId, epoch }) => {
      const execution = records.executions.get(executionId)
      if (jobId !== id || !execution || !takesPlace(execution.policy.overlap)) return false
      limit = Math.max(limit, execution.policy.overlap.limit)
      return execution.attempts.some((one) => one.epoch === epoch && isWhole(one.outcome))
    })
    const most = mostAtOnce(held)
    return most > limit ? [{ rule: 'I13', subject: id, text: `${most} runs at once, its limit is ${limit}` }] : []
  })

const checks: readonly Check[] = [
  checkRest,
  checkFireTimes,
  checkRanges,
  checkAnswers,
  checkBackfills,
  checkKeys,
  checkCalls,
  checkTimes,
  checkFences,
  checkCancels,
  checkOverlaps,
]

/** Everything that does not hold. */
export function checkEvidence(evidence: Evidence): Violation[] {
  return [...evidence.records.violations, ...checks.flatMap((check) => check(evidence))]
}
