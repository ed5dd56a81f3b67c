import type { Logger, RetentionClock } from '@belfry/service'
import type { Stores } from '../store/ports.ts'
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
  /** One chunk of everything (protocol.md step 15); answers true while there is more at once, so others come in between. */
  runOnce(): Promise<boolean>
}

const first = { changedAt: Number.MIN_SAFE_INTEGER, rowId: 0 }

/** What is old is found from the oldest on, so a turn that finds nothing reads one page of each and writes nothing. */
export function createRetention({ stores, retentionClock, log, keep, rows }: RetentionOptions): Retention {
  const { executions, logs, admissions } = stores
  // Where the next chunk begins: a row that must stay is not looked at twice in the same round.
  let lastEnded = first
  let lastLog = 0
  let lastAdmission = 0

  async function clearExecutions(horizon: Horizon) {
    const page = await executions.listEnded(horizon.executions, lastEnded, rows)
    const gone = await executions.purgeMany(page.filter((one) => mayGo(one, horizon)))
    const isMore = page.length === rows
    lastEnded = (isMore && page.at(-1)) || first
    return { gone, isMore }
  }

  /** Chunks lie in the order in which they were written: beyond one that is younger than the horizon, all are. */
  async function clearLogs(horizon: Horizon) {
    const page = await logs.listOldest(lastLog, rows)
    const gone = await logs.purgeMany(page.filter((one) => mayLoseLog(one, horizon)).map((one) => one.rowId))
    const last = page.at(-1)
    const isMore = page.length === rows && last !== undefined && last.at < horizon.logs
    lastLog = isMore ? last.rowId : 0
    return { gone, isMore }
  }

  /** No order helps here, so each turn looks at one page, and after the last one at the first again. */
  async function clearAdmissions(horizon: Horizon) {
    const page = await admissions.list(lastAdmission, rows)
    const gone = await admissions.purgeMany(page.filter((one) => mayForget(one, horizon)))
    lastAdmission = page.length === rows ? (page.at(-1)?.rowId ?? 0) : 0
    return { gone }
  }

  return {
    async runOnce() {
      const now = await retentionClock.turn()
      if (now === null) return false
      const horizon = horizonOf(now, keep)
      const ofExecutions = await clearExecutions(horizon)
      const ofLogs = await clearLogs(horizon)
      const ofAdmissions = await clearAdmissions(horizon)
      const gone = { executions: ofExecutions.gone, logs: ofLogs.gone, admissions: ofAdmissions.gone }
      if (gone.executions + gone.logs + gone.admissions > 0) log.debug(gone, 'what was kept for long enough has gone')
      return ofExecutions.isMore || ofLogs.isMore
    },
  }
}
