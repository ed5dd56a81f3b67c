import type { CommandPublisher } from '@belfry/bus'
import type { JobExecuteMessage } from '@belfry/contracts'
import type { PeerShare } from '@belfry/discovery'
import { debugEach, type Logger } from '@belfry/service'
import { shardOf } from '@belfry/storage'
import { dueAt, type FireRange, type Rules, type ScheduleRecord } from '../domain/schedule-record.ts'
import type { SchedulerMetrics } from '../metrics.ts'
import type { ScheduleStore, ScheduleWrite, StoredSchedule } from '../store/ports.ts'
import type { DueTimer } from './due-timer.ts'

/** A record to store, and the commands to send once it is stored. */
export interface ScheduleUpdate {
  /** Null for a job without a record. */
  readonly before: StoredSchedule | null
  readonly record: ScheduleRecord
  readonly commands: readonly JobExecuteMessage[]
}

export interface ScheduleWriterOptions {
  readonly schedules: ScheduleStore
  readonly rules: Rules
  readonly publisher: CommandPublisher
  readonly dueTimer: DueTimer
  /** This scheduler among the schedulers. */
  readonly peers: () => PeerShare
  readonly metrics: SchedulerMetrics
  readonly log: Logger
}

export interface ScheduleWriter {
  /**
   * Stores each update by a compare-and-set of its own, then queues the commands of those that were stored. Answers for each
   * update whether it was stored: false when another writer was first.
   *
   * `whenFull`: what becomes of commands for which the publisher's queue has no room. `wait`: they are queued, and the call
   * waits until the queue has room. `leave`: they stay in their records only, and an advance sends them when their next
   * repetition is due; taking messages must not wait for a bus that takes none.
   *
   * Rejects when the store failed for some of them, after the commands of the others were queued. An update whose outcome is
   * unknown queues nothing and is not counted: if it is stored, its commands are in the record, and an advance sends them
   * when their next repetition is due.
   */
  save(updates: readonly ScheduleUpdate[], now: number, whenFull: 'wait' | 'leave'): Promise<readonly boolean[]>
}

const createdOf = ({ jobId, executionId, fireAt, version }: JobExecuteMessage) => ({
  jobId,
  executionId,
  fireAt,
  version,
})

/** A range that a change has cut counts as it was counted first. */
const isSameRange = (a: FireRange, b: FireRange) => a.from === b.from && a.decision === b.decision

interface Written {
  readonly isSaved: readonly boolean[]
  /** Why the store failed for those that are not saved; null when it did not. */
  readonly error: unknown
}

export function createScheduleWriter(options: ScheduleWriterOptions): ScheduleWriter {
  const { schedules, rules, publisher, dueTimer, peers, metrics, log } = options

  async function write(updates: readonly (ScheduleUpdate & ScheduleWrite)[]): Promise<Written> {
    const [inserted, swapped] = await Promise.allSettled([
      schedules.insertManyIfAbsent(updates.filter(({ before }) => !before)),
      schedules.compareAndSetMany(updates.flatMap(({ before, ...write }) => (before ? [{ ...write, before }] : []))),
    ])
    const fromInserts = (inserted.status === 'fulfilled' ? inserted.value : []).values()
    const fromSwaps = (swapped.status === 'fulfilled' ? swapped.value : []).values()
    const isSaved = updates.map(({ before }) => (before ? fromSwaps : fromInserts).next().value === true)
    const failed = [inserted, swapped].find((one) => one.status === 'rejected')
    return { isSaved, error: failed ? failed.reason : null }
  }

  /** What is of another scheduler's share is left to it: this one's poll finds it when it is overdue. */
  function wakeFor(saved: readonly ScheduleWrite[]): void {
    const { index, instances } = peers()
    const isOurs = ({ record }: ScheduleWrite) => instances === 1 || shardOf(record.jobId) % instances === index
    const earliest = saved.reduce(
      (least, one) => (one.dueAt !== null && one.dueAt < least && isOurs(one) ? one.dueAt : least),
      Number.POSITIVE_INFINITY,
    )
    if (Number.isFinite(earliest)) dueTimer.wakeAt(earliest)
  }

  /** A command that was planned now is new; an older one is a repetition. */
  function report({ before, record, commands }: ScheduleUpdate, now: number): void {
    const created = commands.filter(({ plannedAt }) => plannedAt === now)
    for (const command of created) metrics.issued(command)
    debugEach(log, 'execution created', created, createdOf)
    if (record.fireLogOutbox.length === 0) return
    const counted = [...(before?.record.fireLogOutbox ?? []), ...(before?.record.recentRanges ?? [])]
    for (const range of record.fireLogOutbox) if (!counted.some((one) => isSameRange(one, range))) metrics.logged(range)
  }

  return {
    async save(updates, now, whenFull) {
      if (updates.length === 0) return []
      const writes = updates.map((update) => ({ ...update, dueAt: dueAt(update.record, rules) }))
      const { isSaved, error } = await write(writes)
      const saved = writes.filter((_, index) => isSaved[index])
      wakeFor(saved)
      for (const update of saved) report(update, now)
      const commands = saved.flatMap((update) => update.commands)
      for (const command of commands) if (whenFull === 'wait' || !publisher.isFull()) publisher.enqueue(command)
      if (whenFull === 'wait' && commands.length > 0) await publisher.room()
      if (error) throw error
      return isSaved
    },
  }
}
