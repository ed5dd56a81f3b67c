import { type ExecutionStatus, formatDuration, type WhyCode, type WhyEvidence } from '@belfry/contracts'
import type { Execution } from '../execution.ts'
import { answer, authorOf, executionEvidence, time } from './evidence.ts'
import type { WhyAnswer, WhyFacts } from './facts.ts'

/** A start within this after its fire time is on time, milliseconds. */
const onTimeMs = 1_000

const endTexts: Partial<Record<ExecutionStatus, readonly [WhyCode, string]>> = {
  EXPIRED: ['expired', 'It did not run: it had not started when it expired, and the job wants no later start.'],
  LOST: ['lost', 'The executor that ran it was lost, and the job must not run twice (onLostLease "fail").'],
  SUPERSEDED: ['superseded', 'It did not run: the job was changed before it started.'],
  CANCELLED: ['cancelled', 'It was cancelled before it had ended.'],
}

/** What became of the execution. */
export function outcomeOf(facts: WhyFacts, execution: Execution): WhyAnswer {
  const { status, detail, jobType } = execution
  const { startedAt, endedAt } = detail.timeline
  const shown = executionEvidence(execution, endedAt ?? startedAt, status)
  if (status === 'SKIPPED') return skipped(facts, execution)
  if (status === 'FAILED') {
    const { message = 'no reason is known', code = 'unknown' } = detail.error ?? {}
    return answer('failed', `It failed after ${attemptsText(execution)}: ${message} (${code}).`, shown)
  }
  if (status === 'RETRYING') return answer('retries', `It failed and is tried again at ${time(detail.runAt)}.`, shown)
  const end = endTexts[status]
  if (end) return answer(end[0], end[1], shown, ...changeEvidence(facts, execution))
  if (facts.waitingFor === 'job-type') {
    const type: WhyEvidence = {
      kind: 'job-type',
      href: `/job-types/${jobType}`,
      at: null,
      detail: 'no executor has it',
    }
    return answer('waits-for-job-type', `It is due and waits: no executor has the job type ${jobType}.`, shown, type)
  }
  if (facts.waitingFor === 'place')
    return answer('waits-for-place', placeText(facts, execution), shown, ...blockers(facts))
  if (facts.waitingFor === 'slot')
    return answer('waits-for-slot', 'It is due and waits for a free slot of an executor.', shown)
  if (status === 'SCHEDULED')
    return answer('scheduled', `It is handed over and starts at ${time(detail.runAt)}.`, shown)
  if (startedAt === null) return answer('no-record', 'It ended, and no start of it was recorded.', shown)
  const lateMs = startedAt - execution.fireAt
  const verb = status === 'RUNNING' ? 'It runs since' : 'It ran at'
  if (lateMs <= onTimeMs) {
    const code = status === 'RUNNING' ? 'is-running' : 'ran-on-time'
    return answer(code, `${verb} ${time(startedAt)}, ${lateMs} ms after its time.`, shown)
  }
  return answer('ran-late', `${verb} ${time(startedAt)}, ${formatDuration(lateMs)} after its time.`, shown)
}

function attemptsText({ detail }: Execution): string {
  const count = detail.attempts.length
  return count === 1 ? 'one attempt' : `${count} attempts`
}

function blockers({ blocker }: WhyFacts): WhyEvidence[] {
  return blocker ? [executionEvidence(blocker, blocker.startedAt, blocker.status)] : []
}

function placeText({ job }: WhyFacts, { detail }: Execution): string {
  const { limit } = job.spec.policy.overlap
  const held = detail.blockedBy ?? 'another execution of the job'
  return `It is due and waits for an overlap place: ${held} holds one, and the job allows ${limit} at a time.`
}

function skipped(facts: WhyFacts, execution: Execution): WhyAnswer {
  const { job } = facts
  const other = execution.detail.blockedBy ?? 'another execution of the job'
  const text = `It did not run: ${other} had not ended, and the overlap policy "${job.spec.policy.overlap.policy}" lets no other one run or wait.`
  return answer('skipped', text, executionEvidence(execution, execution.fireAt, 'SKIPPED'), ...blockers(facts))
}

/** Of an execution that a change or a cancel has closed: the first change after the version that it runs. */
function changeEvidence(facts: WhyFacts, { status, version }: Execution): readonly WhyEvidence[] {
  if (status !== 'SUPERSEDED' && status !== 'CANCELLED') return []
  const change = facts.job.changes.find((one) => one.version > version)
  return change ? authorOf(facts, change).evidence : []
}

/** How it came to a late start, step by step. */
export function latenessOf(facts: WhyFacts, execution: Execution): WhyAnswer[] {
  const { fireAt, detail } = execution
  const { plannedAt, admittedAt, startedAt } = detail.timeline
  const shown = executionEvidence(execution, startedAt, null)
  if (startedAt === null || startedAt - fireAt <= onTimeMs) return []
  const answers: WhyAnswer[] = []
  if (execution.detail.cause === 'schedule' && plannedAt - fireAt > onTimeMs) {
    const late = formatDuration(plannedAt - fireAt)
    const text = `The scheduler decided on it ${late} late: it did not run, or was behind, and the misfire policy ran the late time.`
    answers.push(answer('handed-over-late', text, shown))
  }
  const receivedAt = admittedAt ?? plannedAt
  if (receivedAt - Math.max(plannedAt, fireAt) > onTimeMs) {
    const wait = formatDuration(receivedAt - Math.max(plannedAt, fireAt))
    answers.push(answer('waited-for-executor', `An executor took it over ${wait} after it was sent.`, shown))
  }
  const waitedMs = startedAt - Math.max(receivedAt, fireAt)
  if (waitedMs <= onTimeMs) return answers
  const wait = formatDuration(waitedMs)
  const other = detail.blockedBy
  const [code, reason] = other
    ? (['waited-for-place', `an overlap place, which ${other} held`] as const)
    : (['waited-for-slot', 'a free slot of an executor'] as const)
  return [...answers, answer(code, `It waited ${wait} for ${reason}.`, shown, ...blockers(facts))]
}

/** What else belongs to an execution: its attempts, and what it runs again or is run again by. */
export function aroundOf(execution: Execution): WhyAnswer[] {
  const { detail, retriedBy, reason } = execution
  const answers: WhyAnswer[] = []
  if (detail.cause === 'manual' || reason !== null) {
    const why = reason === null ? '' : ` with the reason "${reason}"`
    answers.push(
      answer('is-asked-for', `It was asked for by hand${why}.`, executionEvidence(execution, execution.fireAt, null)),
    )
  }
  const failed = detail.attempts.filter(({ outcome }) => outcome !== null && outcome !== 'succeeded')
  if (detail.attempts.length > 1 && failed.length > 0) {
    const texts = failed.map(
      ({ epoch, outcome, error }) => `attempt ${epoch} ${outcome}${error ? ` (${error.code})` : ''}`,
    )
    const text = `It took ${attemptsText(execution)}: ${texts.join(', ')}.`
    answers.push(answer('took-several-attempts', text, executionEvidence(execution, detail.timeline.startedAt, null)))
  }
  if (detail.retryOf !== null) {
    const of = executionEvidence({ id: detail.retryOf }, null, null)
    answers.push(answer('runs-another-again', `It runs ${detail.retryOf} again.`, of))
  }
  if (retriedBy !== null) {
    const by = executionEvidence({ id: retriedBy }, null, null)
    answers.push(answer('was-run-again', `It was run again as ${retriedBy}.`, by))
  }
  return answers
}
