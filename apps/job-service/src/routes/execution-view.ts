import { type ExecutionStatus, type ExecutionView, type ListedExecutionView, toWireTime } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { JobTypeList } from '../clients/job-types.ts'
import { allowedOn, type Execution, type WholeExecution, waitsForPlace, waitsForSlot } from '../domain/execution.ts'
import type { Rights } from '../domain/reach.ts'

/** How executions look in answers. */
export interface ExecutionViews {
  /** With params and result where the rights allow them, and the calls that they allow. */
  whole(execution: WholeExecution, rights: Rights): ExecutionView
  /** With params and result where they were read. */
  listed(execution: Execution, rights: Rights): ListedExecutionView
}

export interface ExecutionViewOptions {
  readonly clock: Clock
  /** How long after its time an execution that has not started counts as waiting for a slot, milliseconds. */
  readonly slotWaitMs: number
  readonly types: Pick<JobTypeList, 'lacks'>
}

export function createExecutionViews({ clock, slotWaitMs, types }: ExecutionViewOptions): ExecutionViews {
  function waitingFor(execution: Execution): ExecutionView['waitingFor'] {
    if (waitsForPlace(execution)) return 'place'
    if (!waitsForSlot(execution, clock.now(), slotWaitMs)) return null
    return types.lacks(execution.jobType) ? 'job-type' : 'slot'
  }
  const view = (execution: Execution, rights: Rights) => viewExecution(execution, waitingFor(execution), rights)
  return { listed: view, whole: view }
}

function viewExecution(
  execution: Execution,
  waitingFor: ExecutionView['waitingFor'],
  rights: Rights,
): ListedExecutionView {
  const { id, jobId, jobName, jobType, ownerId, status, fireAt, detail } = execution
  const { startedAt, endedAt } = detail.timeline
  const isWaiting = status === 'SCHEDULED' || status === 'RETRYING'
  return {
    id,
    jobId,
    jobName,
    jobType,
    jobVersion: execution.version,
    ownerId,
    status,
    waitingFor,
    cause: detail.cause,
    reason: execution.reason,
    fireAt: toWireTime(fireAt),
    // The end of another execution decides when one that waits for a place starts.
    nextAttemptAt: isWaiting && waitingFor !== 'place' ? toWireTime(detail.runAt) : null,
    startedAt: toWireTime(startedAt),
    endedAt: toWireTime(endedAt),
    durationMs: startedAt === null || endedAt === null ? null : endedAt - startedAt,
    latenessMs: startedAt === null ? null : startedAt - dueAtOf(execution),
    attempts: viewAttempts(execution),
    ...(rights.seesDetails && execution.params && { params: execution.params }),
    ...(rights.seesDetails && { result: execution.result }),
    error: detail.error,
    artifacts: detail.artifacts,
    blockedBy: detail.blockedBy,
    statusReason: explain(execution, waitingFor),
    retryOf: detail.retryOf,
    retriedBy: execution.retriedBy,
    timeline: viewTimeline(execution),
    links: linksOf(execution, rights),
  }
}

/** From when on it could start: a backfill is asked for long after its fire time. */
function dueAtOf({ fireAt, detail: { cause, timeline } }: Execution): number {
  return cause === 'backfill' ? timeline.plannedAt : fireAt
}

/** What the statuses mean that need an explanation. */
const reasons: Partial<Record<ExecutionStatus, string>> = {
  EXPIRED: 'The execution did not run because it could not be started in time.',
  LOST: 'The executor of the run was lost, and the job must not run twice.',
  SUPERSEDED: 'The execution did not run because the job was changed before it started.',
}

function explain({ status, jobType, detail }: Execution, waitingFor: ExecutionView['waitingFor']): string | null {
  const other = detail.blockedBy ?? 'another execution of the job'
  if (waitingFor === 'job-type') return `The execution waits for an executor that has the job type ${jobType}.`
  if (waitingFor === 'place') return `The execution waits for an overlap place, until ${other} has ended.`
  if (status !== 'SKIPPED') return reasons[status] ?? null
  return `The execution did not run because ${other} had not ended yet, and the job's overlap policy lets no more run or wait.`
}

/** Without a claim that has not started: it is no attempt. */
function viewAttempts({ detail }: Execution): ExecutionView['attempts'] {
  const attempts = detail.attempts.filter(({ startedAt, outcome }) => startedAt !== null || outcome !== null)
  return attempts.map(({ startedAt, endedAt, ...rest }) => ({
    ...rest,
    startedAt: toWireTime(startedAt),
    endedAt: toWireTime(endedAt),
  }))
}

function viewTimeline({ detail: { timeline } }: Execution): ExecutionView['timeline'] {
  return {
    plannedAt: toWireTime(timeline.plannedAt),
    sentAt: toWireTime(timeline.sentAt),
    admittedAt: toWireTime(timeline.admittedAt),
    startedAt: toWireTime(timeline.startedAt),
    endedAt: toWireTime(timeline.endedAt),
    topic: timeline.topic,
    partition: timeline.partition,
    offset: timeline.offset,
  }
}

function linksOf(execution: Execution, rights: Rights): Record<string, string> {
  const { id, jobId, detail } = execution
  const self = `/executions/${id}`
  const artifacts = detail.artifacts.map(({ name }) => [
    `artifact:${name}`,
    `${self}/artifacts/${encodeURIComponent(name)}`,
  ])
  const calls = rights.mayOperate ? allowedOn(execution).map((call) => [call, `${self}/${call}`]) : []
  const details = rights.seesDetails ? [['logs', `${self}/logs`], ...artifacts] : []
  return { self, job: `/jobs/${jobId}`, ...Object.fromEntries([...details.slice(0, 1), ...calls, ...details.slice(1)]) }
}
