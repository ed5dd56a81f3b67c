import { type ExecutionStatus, executionStatusOf, isFinal, type JobStatusMessage } from '@belfry/contracts'
import type { Execution } from './execution.ts'

/** The events that are made of what ended, or did not begin; each until it has been reported (decision 042). */
export const recordedEvents = ['failed', 'lost', 'expired', 'missed'] as const
export type RecordedEvent = (typeof recordedEvents)[number]

/** Fire times that the scheduler has passed over. Times are epoch milliseconds. */
export interface MissedRange {
  readonly from: number
  readonly to: number
  readonly count: number
  readonly reason: string
}

/** An event of a job. Times are epoch milliseconds. */
export interface JobEvent {
  /** The execution's id, or the job's with the first missed fire time. */
  readonly id: string
  readonly jobId: string
  readonly type: RecordedEvent
  /** When it was seen here first. */
  readonly at: number
  /** When it is to be reported; null once that is done. */
  readonly dueAt: number | null
  /** Of `missed`, else null. */
  readonly missed: MissedRange | null
  /** Every write raises it. */
  readonly rev: number
}

const eventOf: Partial<Record<ExecutionStatus, RecordedEvent>> = { FAILED: 'failed', LOST: 'lost', EXPIRED: 'expired' }

/** The event that an execution's status means; undefined for most. */
export function eventOfStatus(status: ExecutionStatus): RecordedEvent | undefined {
  return eventOf[status]
}

/** The events in a batch of job-status messages. Executions that ended well cost two comparisons each. */
export function eventsIn(messages: readonly JobStatusMessage[], now: number): JobEvent[] {
  return messages.flatMap((message) => {
    if (!isFinal(message)) return []
    const type = eventOf[executionStatusOf(message)]
    if (type === undefined) return []
    const { executionId: id, jobId } = message
    return [{ id, jobId, type, at: now, dueAt: now, missed: null, rev: 1 }]
  })
}

export function missedEvent(jobId: string, missed: MissedRange, now: number): JobEvent {
  return { id: `${jobId}:${missed.from}`, jobId, type: 'missed', at: now, dueAt: now, missed, rev: 1 }
}

export const postponed = (event: JobEvent, dueAt: number): JobEvent => ({ ...event, dueAt, rev: event.rev + 1 })
export const reported = (event: JobEvent): JobEvent => ({ ...event, dueAt: null, rev: event.rev + 1 })

/** What is known of the messages about a job. Times are epoch milliseconds. */
export interface Alert {
  readonly jobId: string
  /** When the last message of each kind was made: others wait until a window has passed. */
  readonly sentAt: Readonly<Partial<Record<RecordedEvent, number>>>
  /** The newest execution that has failed or was lost, while a message is to say when one succeeds. */
  readonly failing: { readonly executionId: string; readonly fireAt: number } | null
  readonly updatedAt: number
  readonly rev: number
}

export function newAlert(jobId: string, now: number): Alert {
  return { jobId, sentAt: {}, failing: null, updatedAt: now, rev: 0 }
}

/** When messages of this kind may be made again; in the past where they may be. */
export function windowEnd({ sentAt }: Alert, type: RecordedEvent, windowMs: number): number {
  return (sentAt[type] ?? Number.NEGATIVE_INFINITY) + windowMs
}

/** Oldest first. */
export function inOrder(events: readonly JobEvent[]): JobEvent[] {
  return events.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
}

/** The newer of the failing executions, by fire time. */
export function newestFailing(before: Alert['failing'], executions: readonly Execution[]): Alert['failing'] {
  let newest = before
  for (const { id, fireAt, status } of executions) {
    if (status !== 'FAILED' && status !== 'LOST') continue
    if (newest === null || fireAt > newest.fireAt) newest = { executionId: id, fireAt }
  }
  return newest
}
