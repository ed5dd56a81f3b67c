import { type Logger, type RetentionClock, walkPages } from '@belfry/service'
import type { AdmissionSummary, EndedCursor, EndedExecution, RowId, Stores } from '../store/ports.ts'
import { type Horizon, horizonOf, type Keep, mayForget, mayGo, mayLoseLog } from './rules.ts'

export interface RetentionOptions {
  readonly stores: Stores
  readonly retentionClock: RetentionClock
  readonly log: Logger
  readonly keep: Keep
  /** Rows that are looked at, and go, at a time. */
  readonly rows: number
}

export interface Retention {
  /** One page of everything (docs/protocol.md step 15); answers true while there is more at once, so others come in between. */
  runOnce(): Promise<boolean>
}

/**
 * Each list is walked page by page, and again from its begin: a row that must stay is not looked at twice in one walk. What
 * is old comes first in the lists of executions and logs, so an iteration that finds nothing reads one page of each and
 * writes nothing.
 */
export function createRetention({ stores, retentionClock, log, keep, rows }: RetentionOptions): Retention {
  const { executions, logs, artifacts, admissions } = stores
  let horizon: Horizon = { executions: 0, logs: 0 }

  const nextEnded = walkPages<EndedExecution, EndedCursor>((after) =>
    executions.listEnded(horizon.executions, after, rows),
  )
  const nextLogs = walkPages(async (after: RowId | null) => {
    const page = await logs.listOldest(after, rows)
    // Beyond a chunk that is younger than the horizon, all are.
    const last = page.rows.at(-1)
    return { rows: page.rows, next: last && last.at < horizon.logs ? page.next : null }
  })
  const nextAdmissions = walkPages<AdmissionSummary, RowId>((after) => admissions.list(after, rows))
  let lastArtifact: RowId | null = null
  let lastApart: RowId | null = null

  async function clearExecutions() {
    const page = await nextEnded()
    const gone = await executions.purgeMany(page.rows.filter((one) => mayGo(one, horizon)))
    return { gone, isMore: page.isMore }
  }

  async function clearLogs() {
    const page = await nextLogs()
    const old = page.rows.filter((one) => mayLoseLog(one, horizon))
    return { gone: await logs.purgeMany(old.map((one) => one.rowId)), isMore: page.isMore }
  }

  /**
   * First it is asked whether something of the job is open, then the admission goes if it has not changed since it was
   * listed: an execution that is claimed in between either changes the admission or needs none.
   */
  async function clearAdmissions() {
    const page = await nextAdmissions()
    const old = page.rows.filter((one) => mayForget(one, horizon))
    const isOpen = await executions.hasOpen(old.map((one) => one.jobId))
    return admissions.purgeMany(old.filter((_, index) => !isOpen[index]))
  }

  /** What outlived its execution: a purge that did not get to its end, or an attempt that was given up has left it. */
  async function clearOrphans() {
    const files = await artifacts.purgeOrphans(lastArtifact, rows)
    lastArtifact = files.next
    const apart = await executions.purgeOrphans(horizon.executions, lastApart, rows)
    lastApart = apart.next
    return files.purged + apart.purged
  }

  return {
    async runOnce() {
      const now = await retentionClock.turn()
      if (now === null) return false
      horizon = horizonOf(now, keep)
      const ofExecutions = await clearExecutions()
      const ofLogs = await clearLogs()
      const gone = {
        executions: ofExecutions.gone,
        logs: ofLogs.gone,
        admissions: await clearAdmissions(),
        orphans: await clearOrphans(),
      }
      if (Object.values(gone).some((count) => count > 0)) log.debug(gone, 'what was kept for long enough is deleted')
      return ofExecutions.isMore || ofLogs.isMore
    },
  }
}
