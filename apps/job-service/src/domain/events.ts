import {
  type ExecutionEvent,
  executionStatusOf,
  type JobEvent,
  type JobStatusMessage,
  toWireTime,
} from '@belfry/contracts'
import type { Job } from './job.ts'

/** How far a reader has come: the change numbers of jobs, and of executions. */
export interface EventPosition {
  readonly jobs: number
  readonly executions: number
}

/** What a change of a job or an execution tells those who may see it. `changeNo`: see the contracts, `changesQuery`. */
export type FeedEvent = {
  readonly changeNo: number
  readonly jobId: string
  readonly ownerId: string
  /** The ids of the job's viewers. */
  readonly viewers: readonly string[]
} & ({ readonly kind: 'job'; readonly data: JobEvent } | { readonly kind: 'execution'; readonly data: ExecutionEvent })

/** Whose events a stream shows; null: of all users. */
export interface EventScope {
  readonly ownerId: string | null
  readonly viewerId: string | null
  readonly jobId: string | null
}

/** The id of an event: where a reader goes on, and when it got there (epoch milliseconds). */
export interface EventId extends EventPosition {
  readonly at: number
}

export function eventIdText({ jobs, executions, at }: EventId): string {
  return [jobs, executions, at].map((part) => part.toString(36)).join('.')
}

const idPattern = /^[0-9a-z]{1,11}\.[0-9a-z]{1,11}\.[0-9a-z]{1,11}$/

/** Null for a text that is no id. */
export function readEventId(text: string): EventId | null {
  if (!idPattern.test(text)) return null
  const [jobs = 0, executions = 0, at = 0] = text.split('.').map((part) => Number.parseInt(part, 36))
  return { jobs, executions, at }
}

/** Why a reader cannot go on where it stopped. */
export type Gap = 'unknown-id' | 'too-far-behind' | 'too-old' | 'other-store'

/**
 * Null when every change after the id can still be read. `head`: the newest change numbers. `behind`: changes that are read again at
 * most. `keptSince`: what ended before (epoch milliseconds) may have been removed.
 */
export function findGap(
  id: EventId | null,
  head: EventPosition,
  { behind, keptSince }: { readonly behind: number; readonly keptSince: number },
): Gap | null {
  if (id === null) return 'unknown-id'
  const [jobs, executions] = [head.jobs - id.jobs, head.executions - id.executions]
  if (jobs < 0 || executions < 0) return 'other-store'
  if (jobs > behind || executions > behind) return 'too-far-behind'
  return id.at < keptSince ? 'too-old' : null
}

/** The position after an event. */
export function advanced(position: EventPosition, { kind, changeNo }: FeedEvent): EventPosition {
  return kind === 'job' ? { ...position, jobs: changeNo } : { ...position, executions: changeNo }
}

/** Whether the event comes after the position. */
export function isAfter({ kind, changeNo }: FeedEvent, { jobs, executions }: EventPosition): boolean {
  return changeNo > (kind === 'job' ? jobs : executions)
}

/** Whether a stream of this scope shows the event. */
export function isShown({ jobId, ownerId, viewers }: FeedEvent, scope: EventScope): boolean {
  if (scope.jobId !== null && scope.jobId !== jobId) return false
  if (scope.ownerId === null && scope.viewerId === null) return true
  return ownerId === scope.ownerId || (scope.viewerId !== null && viewers.includes(scope.viewerId))
}

export function jobEventOf(job: Job, changeNo: number): FeedEvent {
  const { id: jobId, ownerId, key, version, state, changedAt } = job
  const change = job.changes.at(-1)?.kind ?? 'update'
  const data = { jobId, key, name: job.spec.name, ownerId, change, version, state, at: toWireTime(changedAt) }
  return { kind: 'job', changeNo, jobId, ownerId, viewers: job.viewers.map(({ id }) => id), data }
}

export function executionEventOf(message: JobStatusMessage, changeNo: number, viewers: readonly string[]): FeedEvent {
  const { executionId, jobId, ownerId, jobType, version: jobVersion, cause, fireAt, attempts, retryOf } = message
  const { startedAt, endedAt } = message.timeline
  const data = {
    ...{ executionId, jobId, ownerId, jobType, jobVersion, status: executionStatusOf(message), cause },
    ...{ fireAt: toWireTime(fireAt), startedAt: toWireTime(startedAt), endedAt: toWireTime(endedAt) },
    ...{ attempts: attempts.length, error: message.error, retryOf },
  }
  return { kind: 'execution', changeNo, jobId, ownerId, viewers, data }
}
