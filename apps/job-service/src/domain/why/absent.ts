import type { JobChange } from '@belfry/contracts'
import { answer, authorOf, changeAt, jobEvidence, rangeEvidence, stateChangeAt, time } from './evidence.ts'
import type { WhyAnswer, WhyFacts } from './facts.ts'

const missedReasons: Record<string, string> = {
  'too-old': 'it was older than the misfire policy allows when the scheduler could decide on it',
  overdue: 'it was late when the scheduler could decide on it, and the misfire policy runs a newer one or none',
  'over-cap': 'it was late, and the misfire policy runs no more late ones than its cap',
}

/** A fire time that the scheduler has logged instead of handing it over. */
export function loggedOf(facts: WhyFacts, range: NonNullable<WhyFacts['range']>): WhyAnswer {
  const { job, at } = facts
  const logged = rangeEvidence(job, range)
  if (range.decision === 'paused') {
    const change = stateChangeAt(job, at)
    const author = change?.kind === 'pause' ? authorOf(facts, change) : { by: '', evidence: [] }
    const since = change?.kind === 'pause' ? ` since ${time(change.changedAt)}` : ''
    return answer('paused', `It did not run: the job was paused${since}${author.by}.`, ...author.evidence, logged)
  }
  if (range.decision === 'missed') {
    const reason = missedReasons[range.reason] ?? range.reason
    return answer('missed', `It did not run: ${reason}.`, logged)
  }
  const code = range.decision === 'skipped' ? 'skipped' : 'excluded'
  return answer(code, `It did not run: the fire time was ${range.decision} (${range.reason}).`, logged)
}

function nearestText({ schedule: { before, after } }: WhyFacts): string {
  const names = [
    before === null ? [] : [`the one before is ${time(before)}`],
    after === null ? [] : [`the next one is ${time(after)}`],
  ]
  const known = names.flat()
  return known.length === 0 ? 'it has none around it' : known.join(', ')
}

/** A change that took the fire time away, or brought it too late. */
function stateAnswer(facts: WhyFacts): WhyAnswer | null {
  const { job, at } = facts
  if (at < job.createdAt) {
    const [created] = job.changes
    return answer(
      'before-the-job',
      `The job did not exist: it was created at ${time(job.createdAt)}.`,
      ...(created ? [jobEvidence(job, created)] : []),
    )
  }
  const change = stateChangeAt(job, at)
  if (change?.kind !== 'cancel' && change?.kind !== 'delete' && change?.kind !== 'pause') return null
  const { by, evidence } = authorOf(facts, change)
  const since = `at ${time(change.changedAt)}${by}`
  if (change.kind === 'pause') return answer('paused', `The job is paused then: it was paused ${since}.`, ...evidence)
  const code = change.kind === 'cancel' ? 'job-cancelled' : 'job-deleted'
  return answer(code, `The job was ${change.kind === 'cancel' ? 'cancelled' : 'deleted'} ${since}.`, ...evidence)
}

/** Nothing is recorded about the time: what the schedule and the changes of the job say. */
export function absenceOf(facts: WhyFacts): WhyAnswer[] {
  const { now, at, job, schedule, keptSince } = facts
  const state = stateAnswer(facts)
  if (state) return [state]
  const change = changeAt(job, at)
  if (change?.schedule.kind === 'manual')
    return [
      answer('no-schedule', 'The job had no schedule: it ran only when it was triggered.', jobEvidence(job, change)),
    ]
  const later = job.changes.find(({ changedAt, kind }) => changedAt > at && kind === 'update')
  const changed = later ? [changedAnswer(facts, later)] : []
  if (!schedule.hasTime) {
    return [
      answer(
        'no-fire-time',
        `The schedule has no fire time at ${time(at)}: ${nearestText(facts)}.`,
        ...(change ? [jobEvidence(job, change)] : []),
      ),
      ...changed,
    ]
  }
  if (at > now)
    return [
      answer(
        'not-due-yet',
        `It is not due yet: the job fires at ${time(at)}.`,
        ...(change ? [jobEvidence(job, change)] : []),
      ),
    ]
  const removed =
    at < keptSince
      ? ' Executions of that time may have been removed by retention.'
      : ' An execution of the last seconds may be on its way.'
  return [
    answer(
      'no-record',
      `The schedule has this fire time, and nothing is recorded about it.${removed}`,
      ...(change ? [jobEvidence(job, change)] : []),
    ),
    ...changed,
  ]
}

function changedAnswer(facts: WhyFacts, change: JobChange): WhyAnswer {
  const { by, evidence } = authorOf(facts, change)
  return answer('job-changed', `The job was changed afterwards, at ${time(change.changedAt)}${by}.`, ...evidence)
}
