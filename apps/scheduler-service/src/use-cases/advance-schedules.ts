import type { Clock, Logger } from '@belfry/service'
import { type PageBounds, type RowId, shardOf, type WorkShare } from '@belfry/storage'
import { advance, type Compile } from '../domain/advance.ts'
import { withoutDelivered } from '../domain/fire-log-outbox.ts'
import { takeDueCommands } from '../domain/pending-commands.ts'
import { dueAt, type Rules } from '../domain/schedule-record.ts'
import type { FireLogStore, ScheduleRef, ScheduleStore, SchedulesRow, StoredSchedule } from '../store/ports.ts'
import type { ScheduleUpdate, ScheduleWriter } from './schedule-writer.ts'
import type { YieldIfOver } from './time-slice.ts'

export interface AdvanceSchedulesOptions {
  readonly schedules: ScheduleStore
  readonly fireLog: FireLogStore
  readonly writer: ScheduleWriter
  readonly compile: Compile
  readonly rules: Rules
  readonly clock: Clock
  readonly log: Logger
  /** Which of the records that are due this scheduler advances now. */
  readonly share: () => WorkShare
  /** Records that are read and stored at once. */
  readonly page: PageBounds
  readonly yieldIfOver: YieldIfOver
}

/** How many records were advanced, and how many commands were sent. */
export interface AdvanceResult {
  readonly advanced: number
  readonly sent: number
}

/** The use case of the advance loop and of `POST /scheduler/scan`. */
export interface AdvanceSchedules {
  /** When the next record of this scheduler's share is due, epoch milliseconds; null when none is. */
  nextDueAt(): Promise<number | null>
  /**
   * Advances every record of this scheduler's share that is due by now (docs/protocol.md step 6 and 7), and those of the others'
   * that are overdue.
   */
  advanceDue(): Promise<AdvanceResult>
  /**
   * Reads one page of the records with pending commands, and sends those commands of this scheduler's share that are left over from
   * an earlier process, or from before the clock was set back, whatever their next time is. `since`: the moment from which on times are this
   * process's own. `next`: the cursor of the next page; null after the last one.
   */
  sendLeftOver(since: number, after: RowId | null): Promise<AdvanceResult & { readonly next: RowId | null }>
}

export function createAdvanceSchedules(options: AdvanceSchedulesOptions): AdvanceSchedules {
  const { schedules, fireLog, writer, compile, rules, clock, log, share, page, yieldIfOver } = options

  const report = (jobId: string, err: unknown) =>
    log.error({ jobId, err }, 'a schedule cannot be advanced; it is quarantined')

  async function quarantine(row: ScheduleRef, jobId: string, reason: unknown): Promise<void> {
    report(jobId, reason)
    await schedules.postponeIfUnchanged(row, clock.now() + rules.quarantineMs)
  }

  /** Copies the fire-log outboxes into the fire log. A repetition after a lost answer changes nothing there. */
  async function deliverOutboxes(rows: readonly StoredSchedule[]): Promise<void> {
    const ranges = rows.flatMap(({ record }) => record.fireLogOutbox.map((range) => ({ jobId: record.jobId, range })))
    if (ranges.length > 0) await fireLog.upsertMany(ranges, clock.now())
  }

  /** Null when there is nothing to store: neither the record nor its due time changes. */
  function decide(before: StoredSchedule, now: number, since: number | null): ScheduleUpdate | null {
    const cleared = withoutDelivered(before.record, before.record.fireLogOutbox)
    const { record, commands } = takeDueCommands(advance(cleared, now, compile, rules), now, since, rules)
    if (record === before.record && dueAt(record, rules) === before.dueAt) return null
    if (record.quarantined && record.quarantined !== before.record.quarantined)
      report(record.jobId, record.quarantined.reason)
    return { before, record, commands }
  }

  /** A schedule that fails never stops the others. */
  async function decideAll(rows: readonly StoredSchedule[], now: number, since: number | null) {
    const updates: ScheduleUpdate[] = []
    for (const stored of rows) {
      try {
        const update = decide(stored, now, since)
        if (update) updates.push(update)
      } catch (error) {
        await quarantine(stored, stored.record.jobId, error)
      }
      const pause = yieldIfOver()
      if (pause) await pause
    }
    return updates
  }

  async function advancePage(rows: readonly SchedulesRow[], since: number | null): Promise<AdvanceResult> {
    const readable: StoredSchedule[] = []
    for (const row of rows) {
      if ('record' in row) readable.push(row)
      else await quarantine(row, row.jobId, row.unreadable)
    }
    await deliverOutboxes(readable)
    const now = clock.now()
    const updates = await decideAll(readable, now, since)
    const isSaved = await writer.save(updates, now, 'wait')
    const saved = updates.filter((_, index) => isSaved[index])
    return { advanced: saved.length, sent: saved.reduce((sum, { commands }) => sum + commands.length, 0) }
  }

  return {
    nextDueAt: () => schedules.nextDueAt(share()),
    async advanceDue() {
      const dueBefore = clock.now()
      const ours = share()
      let [advanced, sent] = [0, 0]
      let { rows, next } = await schedules.listDue(dueBefore, ours, null, page)
      for (;;) {
        const result = await advancePage(rows, null)
        advanced += result.advanced
        sent += result.sent
        if (!next) return { advanced, sent }
        ;({ rows, next } = await schedules.listDue(dueBefore, ours, next, page))
      }
    },
    async sendLeftOver(since, after) {
      const { rows, next } = await schedules.listPending(after, page)
      const { index, instances } = share()
      const isOurs = (row: SchedulesRow) =>
        instances === 1 || shardOf('record' in row ? row.record.jobId : row.jobId) % instances === index
      return { ...(await advancePage(rows.filter(isOurs), since)), next }
    },
  }
}
