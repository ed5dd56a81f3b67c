import {
  fireLogBody,
  fireLogReply,
  missedBody,
  missedReply,
  type ScheduleRunsReply,
  scheduleRunsReply,
  scheduleVersionsBody,
  scheduleVersionsReply,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Clock } from '@belfry/service'
import type { PageBounds } from '@belfry/storage'
import { doneVersion } from '../domain/pending-commands.ts'
import type { ScheduleRecord } from '../domain/schedule-record.ts'
import type { FireLogStore, ScheduleStore } from '../store/ports.ts'
import { inPages } from '../use-cases/in-pages.ts'
import type { ListFireLog } from '../use-cases/list-fire-log.ts'

export interface InternalRoutes {
  readonly fireLog: Pick<FireLogStore, 'listMissed'>
  readonly clock: Clock
  readonly schedules: Pick<ScheduleStore, 'readMany'>
  /** Records that are read at once. */
  readonly page: PageBounds
  /** The ranges of a job, newest first. */
  readonly listFireLog: ListFireLog
}

const config = { access: 'service' } as const

/** What job-service asks: how far the scheduler has come with some jobs (docs/protocol.md step 1), and what it has logged. */
export function mountInternal(app: HttpApp, routes: InternalRoutes): void {
  const { schedules, page, listFireLog } = routes
  async function eachRecord(ids: readonly string[], use: (record: ScheduleRecord) => void): Promise<void> {
    await inPages(ids, page.rows, async (some) => {
      const rows = await schedules.readMany(some, page.bytes)
      for (const row of rows) if (row && 'record' in row) use(row.record)
      return { seen: rows.length, lost: [] }
    })
  }

  const versions = { body: scheduleVersionsBody, response: { 200: scheduleVersionsReply } }
  app.post('/internal/schedules/versions', { schema: versions, config }, async ({ body: { ids } }) => {
    const data: { id: string; version: number }[] = []
    await eachRecord(ids, (record) => data.push({ id: record.jobId, version: doneVersion(record) }))
    return { data }
  })

  const runs = { body: scheduleVersionsBody, response: { 200: scheduleRunsReply } }
  app.post('/internal/schedules/runs', { schema: runs, config }, async ({ body: { ids } }) => {
    const data: ScheduleRunsReply['data'] = []
    await eachRecord(ids, ({ jobId: id, version, fired, lastFireAt, nextFireAt, pending }) =>
      data.push({ id, version, fired, lastFireAt, nextFireAt, pending: pending.map(({ fireAt }) => fireAt) }),
    )
    return { data }
  })

  const fireLog = { body: fireLogBody, response: { 200: fireLogReply } }
  app.post('/internal/fire-log/list', { schema: fireLog, config }, async ({ body: { jobId, ...asked } }) => ({
    data: [...(await listFireLog(jobId, asked))],
  }))

  const missed = { body: missedBody, response: { 200: missedReply } }
  app.post('/internal/fire-log/missed', { schema: missed, config }, async ({ body: { after, limit } }) => {
    // Before the rows: what is logged meanwhile is not behind it.
    const now = routes.clock.now()
    const rows = await routes.fireLog.listMissed(after, limit)
    const data = rows.map(({ at, id, jobId, range: { from, to, count, reason } }) => {
      return { at, id, jobId, from, to, count, reason }
    })
    return { data, now }
  })
}
