import {
  changesQuery,
  executionChangesPage,
  executionsReply,
  fenceBody,
  fenceReply,
  fetchBody,
  isRefusal,
  jobIdPattern,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Clock } from '@belfry/service'
import { z } from 'zod'
import { fence } from '../admission/fence.ts'
import { toStatusMessage } from '../executions/execution.ts'
import type { Stored, Stores } from '../store/ports.ts'

export interface InternalRoutes {
  readonly stores: Stores
  readonly clock: Clock
  /** What one answer to a comparison holds, bytes; one record is sent whatever its size. */
  readonly fetchBytes: number
  /** An admission was fenced; a cancel wants these runs to end: to be published, and told. */
  readonly onFenced: (asked: readonly Stored[]) => void
}

const service = { access: 'service' } as const
const admission = {
  params: z.strictObject({ jobId: z.string().regex(jobIdPattern, 'is not a job id') }),
  body: fenceBody,
  response: { 200: fenceReply },
}

/** What job-service asks: the fence (protocol.md step 2) and the reconcile (step 14). */
export function mountInternal(app: HttpApp, { stores, clock, fetchBytes, onFenced }: InternalRoutes): void {
  app.put('/internal/admissions/:jobId', { schema: admission, config: service }, async (request, reply) => {
    const fenced = await fence(stores, request.params.jobId, request.body.changes, clock.now())
    if (isRefusal(fenced)) return reply.refuse(fenced)
    onFenced(fenced.asked)
    return fenced.reply
  })

  const changes = { querystring: changesQuery, response: { 200: executionChangesPage } }
  app.get('/internal/executions/changes', { schema: changes, config: service }, async ({ query }, reply) => {
    const page = await stores.executions.listChanges(query)
    return isRefusal(page) ? reply.refuse(page) : { data: page.rows, next: page.next }
  })

  const fetch = { body: fetchBody, response: { 200: executionsReply } }
  app.post('/internal/executions/fetch', { schema: fetch, config: service }, async ({ body }) => {
    const found = await stores.executions.find(body.ids, fetchBytes)
    const data = found.flatMap((one) => (one ? [toStatusMessage(one.execution)] : []))
    const missing = body.ids.filter((_, index) => index < found.length && found[index] === undefined)
    const states = missing.length > 0 ? await stores.executions.readStates(missing) : []
    const unreadable = missing.filter((_, index) => states[index] !== undefined)
    return { data, left: body.ids.slice(found.length), unreadable }
  })
}
