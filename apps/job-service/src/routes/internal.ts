import {
  changesQuery,
  fetchBody,
  jobIdPattern,
  jobReachBody,
  jobReachReply,
  jobsReply,
  jobVersionsPage,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import { noRights, rightsOf } from '../domain/reach.ts'
import type { JobStore } from '../store/ports.ts'

const service = { access: 'service' } as const

interface InternalRules {
  /** What one answer holds, bytes; one job is sent whatever its size. */
  readonly fetchBytes: number
  /** One-shots that were over by this moment are not listed, epoch milliseconds (domain/retention.ts). */
  readonly unlistedBefore: () => number
}

/** The records that the scheduler reconciles with (docs/protocol.md step 14), and who may see a job. */
export function mountInternal(app: HttpApp, jobs: JobStore, { fetchBytes, unlistedBefore }: InternalRules): void {
  const changes = { querystring: changesQuery, response: { 200: jobVersionsPage } }
  app.get('/internal/jobs/changes', { schema: changes, config: service }, async ({ query }) => {
    const { rows, head, hasMore } = await jobs.listChanges({ ...query, unlistedBefore: unlistedBefore() })
    return { data: rows, head, hasMore }
  })

  const fetch = { body: fetchBody, response: { 200: jobsReply } }
  app.post('/internal/jobs/fetch', { schema: fetch, config: service }, (request) =>
    jobs.fetch(request.body.ids, fetchBytes),
  )

  const reach = { body: jobReachBody, response: { 200: jobReachReply } }
  app.post('/internal/jobs/reach', { schema: reach, config: service }, async ({ body: { jobId, ...caller } }) => {
    const job = jobIdPattern.test(jobId) ? await jobs.findById(jobId) : undefined
    const rights = job ? rightsOf(caller, job) : null
    return { sees: rights !== null, ...(rights ?? noRights) }
  })
}
