import {
  type FireLogPosition,
  fireLogBody,
  fireLogReply,
  scheduleVersionsBody,
  scheduleVersionsReply,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { PageBounds } from '@belfry/storage'
import { type FireRange, isOver } from '../domain/schedule-record.ts'
import type { ScheduleStore } from '../store/ports.ts'
import { inPages } from '../use-cases/in-pages.ts'

export interface InternalRoutes {
  readonly schedules: Pick<ScheduleStore, 'readVersions' | 'readMany'>
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
  const versions = { body: scheduleVersionsBody, response: { 200: scheduleVersionsReply } }
  app.post('/internal/schedules/versions', { schema: versions, config }, async ({ body: { ids } }) => {
    const found = await schedules.readVersions(ids)
    const data = ids.flatMap((id, index) => {
      const version = found[index]
      return version === undefined ? [] : [{ id, version }]
    })
    return { data }
  })

  app.post('/internal/schedules/ended', { schema: versions, config }, async ({ body: { ids } }) => {
    const data: { id: string; version: number }[] = []
    await inPages(ids, page.rows, async (some) => {
      const rows = await schedules.readMany(some, page.bytes)
      for (const row of rows)
        if (row && 'record' in row && isOver(row.record))
          data.push({ id: row.record.jobId, version: row.record.version })
      return { seen: rows.length, lost: [] }
    })
    return { data }
  })

  const fireLog = { body: fireLogBody, response: { 200: fireLogReply } }
  app.post('/internal/fire-log/list', { schema: fireLog, config }, async ({ body: { jobId, limit, after } }) => ({
    data: [...(await listFireLog(jobId, { limit, after }))],
  }))
}
