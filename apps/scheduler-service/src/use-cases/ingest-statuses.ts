import type { JobStatusMessage } from '@belfry/contracts'
import { type Clock, retryOnConflict } from '@belfry/service'
import type { PageBounds } from '@belfry/storage'
import { acknowledge, takeDueCommands } from '../domain/pending-commands.ts'
import type { Rules } from '../domain/schedule-record.ts'
import type { ScheduleStore } from '../store/ports.ts'
import { inPages, type SeenPage } from './in-pages.ts'
import type { ScheduleUpdate, ScheduleWriter } from './schedule-writer.ts'
import type { YieldIfOver } from './time-slice.ts'

export interface IngestStatusesOptions {
  readonly schedules: ScheduleStore
  readonly writer: ScheduleWriter
  readonly rules: Rules
  readonly clock: Clock
  /** Records that are read and stored at once. */
  readonly page: PageBounds
  /** How often a record is read again when another writer was first. */
  readonly tries: number
  readonly yieldIfOver: YieldIfOver
}

/**
 * Acknowledges pending commands whose executions the executors show, or sends them again (docs/protocol.md step 7). An
 * acknowledgement that lost every race is dropped: the scheduler repeats the command, and the executors show its execution again.
 */
export type IngestStatuses = (statuses: readonly JobStatusMessage[]) => Promise<void>

type StatusesOfJob = readonly [jobId: string, statuses: readonly JobStatusMessage[]]

function byJob(statuses: readonly JobStatusMessage[]): StatusesOfJob[] {
  return [...Map.groupBy(statuses, ({ jobId }) => jobId)]
}

export function createIngestStatuses(options: IngestStatusesOptions): IngestStatuses {
  const { schedules, writer, rules, clock, page, tries, yieldIfOver } = options

  async function acknowledgePage(some: readonly StatusesOfJob[]): Promise<SeenPage<StatusesOfJob>> {
    const stored = await schedules.readManyIfPending(
      some.map(([jobId]) => jobId),
      page.bytes,
    )
    const now = clock.now()
    const changed: StatusesOfJob[] = []
    const updates: ScheduleUpdate[] = []
    for (const [index, before] of stored.entries()) {
      const ofJob = some[index] as StatusesOfJob
      if (!before || 'unreadable' in before) continue
      const record = ofJob[1].reduce((one, status) => acknowledge(one, status, now), before.record)
      if (record !== before.record) {
        changed.push(ofJob)
        updates.push({ before, ...takeDueCommands(record, now, null, rules) })
      }
      const pause = yieldIfOver()
      if (pause) await pause
    }
    const isSaved = await writer.save(updates, now, 'leave')
    return { seen: stored.length, lost: changed.filter((_, index) => !isSaved[index]) }
  }

  return async (statuses) => {
    // A trigger is job-service's own command: the scheduler waits for none.
    const own = statuses.filter(({ cause }) => cause === 'schedule')
    if (own.length > 0) await retryOnConflict(byJob(own), tries, (left) => inPages(left, page.rows, acknowledgePage))
  }
}
