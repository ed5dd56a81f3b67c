import type { Clock } from '@belfry/service'
import { advance, type Compile } from './firing.ts'
import type { Draft, Keeping } from './keeping.ts'
import type { DuePage, FireLogStore, PageBounds, ScheduleStore, StoredSchedule, UnreadableSchedule } from './ports.ts'
import { dueAt, type Rules } from './schedule-record.ts'
import { delivered, takeDueCommands } from './sending.ts'

export interface DueOptions {
  readonly schedules: ScheduleStore
  readonly fireLog: FireLogStore
  readonly keeping: Keeping
  readonly compile: Compile
  readonly rules: Rules
  readonly clock: Clock
  /** Records that are read and stored at once. */
  readonly page: PageBounds
  /** Lets others have the main loop when this has had it for long enough; undefined when it has not. */
  readonly giveWay: () => Promise<void> | undefined
  /** A record that nothing can be done with, and why; it is left alone for `asideMs`. */
  readonly onAside: (jobId: string, reason: unknown) => void
}

/** What was done: records that were advanced or cleared, and commands that were sent. */
export interface Worked {
  readonly advanced: number
  readonly sent: number
}

export interface DueSchedules {
  /** When the next record asks to be looked at, epoch milliseconds; null when none does. */
  nextAt(): Promise<number | null>
  /** Looks at every record that asked for it by now (protocol.md, steps 6 and 7). */
  workOff(): Promise<Worked>
  /**
   * One page of all records with commands that wait, after handle `after`: sends what was left behind by an earlier process,
   * or before the clock was set back, whatever its next time says. `since`: from when on times are this process's own.
   */
  resume(since: number, after: number): Promise<Worked & { readonly next: number | null }>
}

export function createDueSchedules(options: DueOptions): DueSchedules {
  const { schedules, fireLog, keeping, compile, rules, clock, giveWay, onAside } = options

  async function leaveAlone(n: number, jobId: string, reason: unknown): Promise<void> {
    onAside(jobId, reason)
    await schedules.postpone(n, clock.now() + rules.asideMs)
  }

  /** The ranges that wait in the page's records, in the fire log. */
  async function deliver(page: readonly StoredSchedule[]): Promise<void> {
    const ranges = page.flatMap(({ record: { jobId, undelivered } }) => undelivered.map((range) => ({ jobId, range })))
    if (ranges.length > 0) await fireLog.upsert(ranges)
  }

  /** Null when there is nothing to store: neither the record nor its due time is another one. */
  function decide(before: StoredSchedule, now: number, since: number | null): Draft | null {
    const cleared = delivered(before.record, before.record.undelivered)
    const { record, commands } = takeDueCommands(advance(cleared, now, compile, rules), now, since, rules)
    if (record === before.record && dueAt(record, rules) === before.dueAt) return null
    if (record.aside && record.aside !== before.record.aside) onAside(record.jobId, record.aside.reason)
    return { before, record, commands }
  }

  /** One schedule that fails never stops the others (time.md, "Never"). */
  async function decideAll(page: readonly StoredSchedule[], now: number, since: number | null): Promise<Draft[]> {
    const drafts: Draft[] = []
    for (const stored of page) {
      try {
        const draft = decide(stored, now, since)
        if (draft) drafts.push(draft)
      } catch (error) {
        await leaveAlone(stored.handle.n, stored.record.jobId, error)
      }
      const pause = giveWay()
      if (pause) await pause
    }
    return drafts
  }

  async function workOffPage({ rows }: Pick<DuePage, 'rows'>, since: number | null): Promise<Worked> {
    const readable: StoredSchedule[] = []
    const unreadable: UnreadableSchedule[] = []
    for (const row of rows) 'record' in row ? readable.push(row) : unreadable.push(row)
    for (const { n, jobId, unreadable: reason } of unreadable) await leaveAlone(n, jobId, reason)
    await deliver(readable)
    const now = clock.now()
    const drafts = await decideAll(readable, now, since)
    const isKept = await keeping.keep(drafts, now)
    const kept = drafts.filter((_, index) => isKept[index])
    return { advanced: kept.length, sent: kept.reduce((sum, { commands }) => sum + commands.length, 0) }
  }

  return {
    nextAt: () => schedules.nextDueAt(),
    async workOff() {
      const readBefore = clock.now()
      let [advanced, sent] = [0, 0]
      let page = await schedules.readDue(readBefore, null, options.page)
      for (;;) {
        const worked = await workOffPage(page, null)
        advanced += worked.advanced
        sent += worked.sent
        if (!page.next) return { advanced, sent }
        page = await schedules.readDue(readBefore, page.next, options.page)
      }
    },
    async resume(since, after) {
      const page = await schedules.waitingAfter(after, options.page)
      return { ...(await workOffPage(page, since)), next: page.next }
    },
  }
}
