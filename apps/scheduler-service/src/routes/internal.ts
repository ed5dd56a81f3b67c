import {
  type FireLogPosition,
  fireLogBody,
  fireLogReply,
  type ScheduleRunsReply,
  scheduleRunsReply,
  scheduleVersionsBody,
  scheduleVersionsReply,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { PageBounds } from '@belfry/storage'
import { doneVersion } from '../domain/pending-commands.ts'
import type { FireRange, ScheduleRecord } from '../domain/schedule-record.ts'
import type { ScheduleStore } from '../store/ports.ts'
import { inPages } from '../use-cases/in-pages.ts'

export interface InternalRoutes {
  readonly schedules: Pick<ScheduleStore, 'readMany'>
  /** Records that are read at once. */
  readonly page: PageBounds
  /** The ranges of a job, newest first. */
  listFireLog(
    jobId: string,
    page: { readonly limit: number; readonly after: FireLogPosition | null },
  ): Promise<readonly FireRange[]>
}

const config = { access: 'service' } as const

/** What job-service asks: how far the scheduler has come with some jobs (protocol.md, step 1), and what it has logged. */
export function mountInternal(app: HttpApp, { schedules, page, listFireLog }: InternalRoutes): void {
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
    await eachRecord(ids, ({ jobId: id, version, fired, lastFireAt, nextFireAt }) =>
      data.push({ id, version, fired, lastFireAt, nextFireAt }),
    )
    return { data }
  })

  const fireLog = { body: fireLogBody, response: { 200: fireLogReply } }
  app.post('/internal/fire-log/list', { schema: fireLog, config }, async ({ body: { jobId, limit, after } }) => ({
    data: [...(await listFireLog(jobId, { limit, after }))],
  }))
}
