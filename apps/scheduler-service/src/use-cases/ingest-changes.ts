import type { JobChangesMessage } from '@belfry/contracts'
import { type Clock, ConflictError, type Logger, retryOnConflict } from '@belfry/service'
import type { PageBounds } from '@belfry/storage'
import { advanceWith, type Compile } from '../domain/advance.ts'
import { applyChanges } from '../domain/apply-changes.ts'
import { takeDueCommands } from '../domain/pending-commands.ts'
import type { Rules } from '../domain/schedule-record.ts'
import type { ScheduleStore, StoredSchedule } from '../store/ports.ts'
import { inPages, type SeenPage } from './in-pages.ts'
import type { ScheduleUpdate, ScheduleWriter } from './schedule-writer.ts'
import type { YieldIfOver } from './time-slice.ts'

export interface IngestChangesOptions {
  readonly schedules: ScheduleStore
  readonly writer: ScheduleWriter
  readonly compile: Compile
  readonly rules: Rules
  readonly clock: Clock
  readonly log: Logger
  /** Records that are read and stored at once. */
  readonly page: PageBounds
  /** What was over before this moment was removed by retention, epoch milliseconds. */
  readonly horizon: () => number
  /** How often a record is read again when another writer was first. */
  readonly tries: number
  readonly yieldIfOver: YieldIfOver
}

/** A job whose change was not applied. `isLater`: only because its commands have no room now. */
interface NotApplied {
  readonly id: string
  readonly reason: string
  readonly isLater?: boolean
}

/**
 * Applies changes of jobs to their schedules (docs/protocol.md step 5), and advances at once those that are due. Answers the jobs
 * whose change was not applied. Rejects when a record changed too often meanwhile, or when the store failed; the same
 * messages may come again, for a change that is stored counts as known.
 */
export type IngestChanges = (messages: readonly JobChangesMessage[]) => Promise<readonly NotApplied[]>

/** The newest message of each job: it contains all that the older ones contain. */
function newestOf(messages: readonly JobChangesMessage[]): JobChangesMessage[] {
  const newest = new Map<string, JobChangesMessage>()
  for (const message of messages) {
    const known = newest.get(message.jobId)
    if (!known || message.version > known.version) newest.set(message.jobId, message)
  }
  return [...newest.values()]
}

export function createIngestChanges(options: IngestChangesOptions): IngestChanges {
  const { schedules, writer, compile, rules, clock, log, page, horizon, tries, yieldIfOver } = options

  /** Null when there is nothing to change. */
  function decide(
    before: StoredSchedule | null,
    message: JobChangesMessage,
    now: number,
  ): ScheduleUpdate | NotApplied | null {
    const { jobId: id } = message
    const applied = applyChanges(before?.record ?? null, message, now, compile, rules, horizon())
    if (applied.outcome === 'incomplete') return { id, reason: 'its newest version is not among its changes' }
    if (applied.outcome === 'no-room') return { id, reason: 'its commands have no room', isLater: true }
    if (applied.outcome !== 'applied') return null
    const { record, times } = applied
    return { before, ...takeDueCommands(advanceWith(record, times, now, rules), now, null, rules) }
  }

  return async (messages) => {
    const notApplied: NotApplied[] = []
    function refuse(one: NotApplied): void {
      if (!one.isLater) log.error({ jobId: one.id, reason: one.reason }, 'a change of a job cannot be applied')
      notApplied.push(one)
    }

    async function applyPage(some: readonly JobChangesMessage[]): Promise<SeenPage<JobChangesMessage>> {
      const stored = await schedules.readMany(
        some.map(({ jobId }) => jobId),
        page.bytes,
      )
      const now = clock.now()
      const changed: JobChangesMessage[] = []
      const updates: ScheduleUpdate[] = []
      for (const [index, before = null] of stored.entries()) {
        const message = some[index] as JobChangesMessage
        const isUnreadable = before !== null && 'unreadable' in before
        const decision = isUnreadable ? { id: message.jobId, reason: before.unreadable } : decide(before, message, now)
        if (decision && 'reason' in decision) refuse(decision)
        else if (decision) {
          changed.push(message)
          updates.push(decision)
        }
        const pause = yieldIfOver()
        if (pause) await pause
      }
      const isSaved = await writer.save(updates, now, 'leave')
      return { seen: stored.length, lost: changed.filter((_, index) => !isSaved[index]) }
    }

    const attempt = (left: readonly JobChangesMessage[]) => inPages(left, page.rows, applyPage)
    const lost = await retryOnConflict(newestOf(messages), tries, attempt)
    if (lost.length > 0)
      throw new ConflictError(`${lost.length} jobs changed ${tries} times while a change was applied`)
    return notApplied
  }
}
