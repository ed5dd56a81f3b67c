import type { JobExecuteMessage } from '@belfry/contracts'
import type { ScheduleStore, StoredSchedule } from './ports.ts'
import { dueAt, type FireRange, type Rules, type ScheduleRecord } from './schedule-record.ts'

/** What is to be stored of one job, and the commands that go out once it is. */
export interface Draft {
  /** Null for a job that is new here. */
  readonly before: StoredSchedule | null
  readonly record: ScheduleRecord
  readonly commands: readonly JobExecuteMessage[]
}

/** What is told about fire times once they are decided for good: for metrics and the log. */
export interface Decided {
  readonly outcome: 'issued' | FireRange['decision']
  readonly reason: string
  readonly count: number
  /** The command of the execution that was issued; null where there is none. */
  readonly command: JobExecuteMessage | null
}

export interface KeepingOptions {
  readonly schedules: ScheduleStore
  readonly rules: Rules
  /** Hands commands to the bus; resolves when more may come. Never rejects: what is not sent is repeated. */
  readonly send: (commands: readonly JobExecuteMessage[]) => Promise<void>
  /** A record asks to be looked at, epoch milliseconds. */
  readonly wakeAt: (at: number) => void
  readonly onDecided: (decided: Decided) => void
}

export interface Keeping {
  /**
   * Stores each draft by a compare-and-set of its own, then sends the commands of those that were stored. Answers for
   * each whether it was: false when another writer was first.
   */
  keep(drafts: readonly Draft[], now: number): Promise<readonly boolean[]>
}

/** What the draft decided about fire times. A command planned now is a new one; an older one is repeated. */
function* decidedBy({ before, record, commands }: Draft, now: number): Generator<Decided> {
  for (const command of commands)
    if (command.plannedAt === now)
      yield { outcome: 'issued', reason: command.fireAt < now ? 'late' : 'on-time', count: 1, command }
  for (const range of record.undelivered)
    if (!before?.record.undelivered.includes(range))
      yield { outcome: range.decision, reason: range.reason, count: range.count, command: null }
}

export function createKeeping({ schedules, rules, send, wakeAt, onDecided }: KeepingOptions): Keeping {
  async function write(drafts: readonly Draft[]): Promise<readonly boolean[]> {
    const isNew = drafts.map(({ before }) => before === null)
    const dues = drafts.map(({ record }) => dueAt(record, rules))
    const [inserted, saved] = await Promise.all([
      schedules.insert(drafts.flatMap(({ before, record }, i) => (before ? [] : [{ record, dueAt: dues[i] ?? null }]))),
      schedules.save(
        drafts.flatMap(({ before, record }, i) => (before ? [{ before, record, dueAt: dues[i] ?? null }] : [])),
      ),
    ])
    const [fromInserted, fromSaved] = [inserted.values(), saved.values()]
    const isKept = isNew.map((isOne) => (isOne ? fromInserted : fromSaved).next().value === true)
    const earliest = dues.reduce<number>(
      (least, due, i) => (isKept[i] ? Math.min(least, due ?? least) : least),
      Infinity,
    )
    if (Number.isFinite(earliest)) wakeAt(earliest)
    return isKept
  }

  return {
    async keep(drafts, now) {
      if (drafts.length === 0) return []
      const isKept = await write(drafts)
      const kept = drafts.filter((_, index) => isKept[index])
      for (const draft of kept) for (const decided of decidedBy(draft, now)) onDecided(decided)
      const commands = kept.flatMap((draft) => draft.commands)
      if (commands.length > 0) await send(commands)
      return isKept
    },
  }
}
