import { scheduleVersionsBody, scheduleVersionsReply } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Stores } from '../store/ports.ts'

const config = { access: 'service' } as const

/** What job-service asks: how far the scheduler has come with some jobs (protocol.md, step 1). */
export function mountInternal(app: HttpApp, { schedules }: Pick<Stores, 'schedules'>): void {
  const versions = { body: scheduleVersionsBody, response: { 200: scheduleVersionsReply } }
  app.post('/internal/schedules/versions', { schema: versions, config }, async ({ body: { ids } }) => {
    const found = await schedules.readVersions(ids)
    const data = ids.flatMap((id, index) => {
      const version = found[index]
      return version === undefined ? [] : [{ id, version }]
    })
    return { data }
  })
}
