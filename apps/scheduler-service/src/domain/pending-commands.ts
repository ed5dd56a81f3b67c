import {
  isAtRest,
  isFinal,
  type JobExecuteMessage,
  type JobStatusMessage,
  scheduledExecutionId,
} from '@belfry/contracts'
import { backoffMs } from '@belfry/service'
import { commandOf, type PendingCommand, type Rules, type ScheduleRecord, withPending } from './schedule-record.ts'

/** The wait after the `tries`-th send, milliseconds. */
function waitMs(tries: number, { resendFirstMs, resendMaxMs }: Rules): number {
  return backoffMs(tries - 1, resendFirstMs, resendMaxMs)
}

function sent(command: PendingCommand, now: number, rules: Rules): PendingCommand {
  const tries = command.tries + 1
  return { ...command, tries, nextSendAt: now + waitMs(tries, rules) }
}

/**
 * Whether the last send was before this process, or before the clock was set back: `tries` and `nextSendAt` give its time,
 * and the sends of this process lie between `since` and now.
 */
function isLeftOver({ tries, nextSendAt }: PendingCommand, since: number, now: number, rules: Rules): boolean {
  const sentAt = nextSendAt - waitMs(tries, rules)
  return tries > 0 && (sentAt < since || sentAt > now)
}

/**
 * Step 7 of docs/protocol.md: the commands that are due to be sent now, and the record in which they count as sent.
 * The record is stored first. A process that dies before the send makes the command late by one wait, and loses nothing. A
 * restart does not wait for that, nor does a clock that was set back: `since` is the moment from which on the times of this
 * process count, and with it the answer includes the commands that are left over. The second read of the record finds them
 * sent.
 */
export function takeDueCommands(
  record: ScheduleRecord,
  now: number,
  since: number | null,
  rules: Rules,
): { record: ScheduleRecord; commands: readonly JobExecuteMessage[] } {
  const isDue = (command: PendingCommand) =>
    command.nextSendAt <= now || (since !== null && isLeftOver(command, since, now, rules))
  const due = record.pending.filter(isDue)
  if (due.length === 0) return { record, commands: [] }
  const pending = record.pending.map((command) => (due.includes(command) ? sent(command, now, rules) : command))
  return { record: { ...record, pending }, commands: due.map((command) => commandOf(record, command)) }
}

/**
 * The version up to which the scheduler is done with a job's changes: it has applied them, and no command of an older version waits to
 * be shown by the executors. Only then may job-service leave them out of its list, and the executors join their floors.
 */
export function doneVersion({ version, pending }: ScheduleRecord): number {
  return Math.min(version, ...pending.map((command) => command.version))
}

/**
 * The executors show an execution. Its command is acknowledged when they have it at the command's version or a newer one,
 * or when it has ended for good at any version. That it has started is not enough.
 *
 * One that is at rest at an older version did not take the command: it was claimed when the command came, and the change that made the
 * command has closed it since. Then the command is due again at `now`, and not after its wait, in which its time would pass.
 */
export function acknowledge(record: ScheduleRecord, status: JobStatusMessage, now: number): ScheduleRecord {
  const isMeant = ({ fireAt }: PendingCommand) =>
    fireAt === status.fireAt && scheduledExecutionId(record.jobId, fireAt) === status.executionId
  const command = record.pending.find(isMeant)
  if (!command) return record
  const others = record.pending.filter((one) => one !== command)
  if (status.version >= command.version || isFinal(status)) return withPending(record, others)
  if (!isAtRest(status) || command.nextSendAt <= now) return record
  const pending = record.pending.map((one) => (one === command ? { ...command, nextSendAt: now } : one))
  return { ...record, pending }
}
