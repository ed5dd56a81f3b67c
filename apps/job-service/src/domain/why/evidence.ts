import { type JobChange, toWireTime, type WhyCode, type WhyEvidence } from '@belfry/contracts'
import type { Execution } from '../execution.ts'
import type { Job } from '../job.ts'
import type { RecordedRequest, WhyAnswer, WhyFacts } from './facts.ts'

/** Epoch milliseconds as answers show them. */
export const time = (at: number): string => toWireTime(at)

/** `at`: when it showed what it is evidence for. */
export function executionEvidence(
  { id }: Pick<Execution, 'id'>,
  at: number | null,
  detail: string | null,
): WhyEvidence {
  return { kind: 'execution', href: `/executions/${id}`, at: toWireTime(at), detail }
}

/** A change of the job. */
export function jobEvidence({ id }: Job, change: JobChange): WhyEvidence {
  const detail = `version ${change.version}: ${change.kind}`
  return { kind: 'job', href: `/jobs/${id}`, at: time(change.changedAt), detail }
}

function auditEvidence({ id }: Job, { at, action, actorName }: RecordedRequest): WhyEvidence {
  return { kind: 'audit', href: `/audit?target=${id}`, at: time(at), detail: `${action} by ${actorName ?? 'no user'}` }
}

/** Fire times without an execution. */
export function rangeEvidence({ id }: Job, range: NonNullable<WhyFacts['range']>): WhyEvidence {
  const href = `/jobs/${id}/fire-log?from=${time(range.from)}&to=${time(range.to)}`
  return { kind: 'fire-log', href, at: time(range.from), detail: `${range.count} ${range.decision}: ${range.reason}` }
}

/** The change that made the job what it was at a time; null before the first change that is known. */
export function changeAt({ changes }: Pick<Job, 'changes'>, at: number): JobChange | null {
  return changes.findLast(({ changedAt }) => changedAt <= at) ?? null
}

/** The newest change up to a time that decides whether the job fires: an update does not. */
export function stateChangeAt({ changes }: Job, at: number): JobChange | null {
  return changes.findLast(({ changedAt, kind }) => changedAt <= at && kind !== 'update') ?? null
}

/** Who made a change, as far as a request was recorded; with the evidence for it. */
export function authorOf({ job, requests }: WhyFacts, change: JobChange): { by: string; evidence: WhyEvidence[] } {
  const request = requests.find(({ version }) => version === change.version)
  if (!request) return { by: '', evidence: [jobEvidence(job, change)] }
  const by = request.actorName === null ? '' : ` by ${request.actorName}`
  return { by, evidence: [auditEvidence(job, request), jobEvidence(job, change)] }
}

/** One answer with its evidence. */
export const answer = (code: WhyCode, text: string, ...evidence: readonly WhyEvidence[]): WhyAnswer => ({
  code,
  text,
  evidence,
})
