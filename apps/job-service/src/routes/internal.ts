import { fetchBody, jobsReply, jobVersionsPage, reconcileQuery } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { JobStore } from '../domain/ports.ts'

const service = { access: 'service' } as const

/** What the scheduler reconciles with (protocol.md, step 14); `fetchBytes` bounds one answer. */
export function mountInternal(app: HttpApp, jobs: JobStore, { fetchBytes }: { fetchBytes: number }): void {
  const changes = { querystring: reconcileQuery, response: { 200: jobVersionsPage } }
  app.get('/internal/jobs/changes', { schema: changes, config: service }, async (request) => ({
    data: await jobs.changes(request.query),
  }))

  const fetch = { body: fetchBody, response: { 200: jobsReply } }
  app.post('/internal/jobs/fetch', { schema: fetch, config: service }, (request) =>
    jobs.fetch(request.body.ids, fetchBytes),
  )
}
