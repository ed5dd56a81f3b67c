import { type NotificationEvent, type NotificationMessage, toWireTime } from '@belfry/contracts'
import { confirmationType, testType } from './confirmation.ts'
import type { Execution } from './execution.ts'
import type { Job } from './job.ts'
import type { MissedRange } from './job-event.ts'
import type { Notification } from './notification.ts'

/** Executions that a message names. */
const mostNamed = 20
/** Longest text of an error in a message, characters. */
const longestError = 1000

/** What a message reports. */
export interface Report {
  readonly event: NotificationEvent
  readonly job: Pick<Job, 'id' | 'key' | 'spec'>
  /** Oldest first. */
  readonly executions: readonly Execution[]
  readonly missed: readonly MissedRange[]
  readonly reason: string | null
}

export interface MessageContext {
  readonly notification: Pick<Notification, 'id' | 'name'>
  readonly now: number
  /** Where users reach the API; empty: addresses have no host. */
  readonly baseUrl: string
}

function viewExecution({ id, status, fireAt, detail }: Execution): NotificationMessage['data']['execution'] {
  const { startedAt, endedAt } = detail.timeline
  const { error } = detail
  return {
    id,
    status,
    fireAt: toWireTime(fireAt),
    startedAt: toWireTime(startedAt),
    endedAt: toWireTime(endedAt),
    attempts: detail.attempts.length,
    error: error && { code: error.code, message: error.message.slice(0, longestError) },
  }
}

function viewMissed(missed: readonly MissedRange[]): NotificationMessage['data']['missed'] {
  const [first] = missed
  if (!first) return null
  const from = Math.min(...missed.map((range) => range.from))
  const to = Math.max(...missed.map((range) => range.to))
  return { from: toWireTime(from), to: toWireTime(to), reason: first.reason }
}

/** The message about an event of a job. */
export function messageOf(
  { event, job, executions, missed, reason }: Report,
  { notification: { id, name }, now, baseUrl }: MessageContext,
): NotificationMessage {
  const newest = executions.at(-1)
  const { name: jobName, jobType, tags } = job.spec
  const missedCount = missed.reduce((sum, { count }) => sum + count, 0)
  return {
    type: `job.${event}`,
    timestamp: toWireTime(now),
    data: {
      notification: { id, name },
      job: { id: job.id, key: job.key, name: jobName, jobType, tags: [...tags] },
      execution: newest ? viewExecution(newest) : null,
      count: executions.length + missedCount,
      executionIds: executions.slice(-mostNamed).map((one) => one.id),
      missed: viewMissed(missed),
      reason,
      url: `${baseUrl}${newest ? `/executions/${newest.id}` : `/jobs/${job.id}`}`,
    },
  }
}

/** The message of `POST /notifications/:id/test`. */
export function testMessage(context: MessageContext): NotificationMessage {
  return emptyMessage(testType, context)
}

/** The message that brings the code of an address. It is stored, and shown to its owner, without the code. */
export function confirmationMessage(context: MessageContext): NotificationMessage {
  return emptyMessage(confirmationType, context)
}

function emptyMessage(type: string, { notification: { id, name }, now, baseUrl }: MessageContext): NotificationMessage {
  return {
    type,
    timestamp: toWireTime(now),
    data: {
      notification: { id, name },
      job: null,
      execution: null,
      count: 0,
      executionIds: [],
      missed: null,
      reason: null,
      url: `${baseUrl}/notifications/${id}`,
    },
  }
}

const subjects: Record<NotificationEvent, string> = {
  failed: 'failed',
  lost: 'was lost with its executor',
  expired: 'expired before it could start',
  missed: 'has missed fire times',
  'auto-paused': 'was paused',
  recovered: 'succeeds again',
}

/** A text of a user in one line of a mail. */
const oneLine = (text: string) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 200)

/** The message as a mail. */
export function mailOf({ type, timestamp, data }: NotificationMessage): { subject: string; text: string } {
  const { job, execution, count, missed, reason, notification, url } = data
  const event = type.slice('job.'.length) as NotificationEvent
  const times = count > 1 ? ` (${count} times)` : ''
  const subject = job ? `[Belfry] ${oneLine(job.name)} ${subjects[event]}${times}` : '[Belfry] Test of a notification'
  const lines = [
    job ? `Job: ${oneLine(job.name)} (${job.key ?? job.id}, ${job.jobType})` : 'This is a test.',
    ...(execution ? [`Execution: ${execution.id}, ${execution.status}, due at ${execution.fireAt}`] : []),
    ...(execution?.error ? [`Error: ${execution.error.code}: ${execution.error.message}`] : []),
    ...(missed ? [`Missed: ${count} fire times from ${missed.from} to ${missed.to} (${missed.reason})`] : []),
    ...(reason ? [reason] : []),
    `At: ${timestamp}`,
    `See: ${url}`,
    '',
    `Sent because of the notification "${oneLine(notification.name)}" (${notification.id}).`,
  ]
  return { subject, text: lines.join('\n') }
}

/**
 * The mail that brings the code of an address. Nothing in it is a text of a user: it goes to people who did not ask for it.
 */
export function codeMailOf({ timestamp, data }: NotificationMessage, code: string): { subject: string; text: string } {
  const lines = [
    'A user of Belfry, a job scheduler, wants messages about jobs to be sent to this address.',
    '',
    `Code: ${code}`,
    '',
    'Give the code to that user if you want these messages. Otherwise do nothing: no messages are sent.',
    '',
    `At: ${timestamp}`,
    `See: ${data.url}`,
  ]
  return { subject: '[Belfry] Confirm this address', text: lines.join('\n') }
}
