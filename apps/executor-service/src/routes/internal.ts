import {
  cancelExecutionBody,
  cancelExecutionReply,
  changesQuery,
  executionChangesPage,
  executionId,
  executionsReply,
  fenceBody,
  fenceReply,
  fetchBody,
  isRefusal,
  jobIdPattern,
  refusal,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Clock, Loop } from '@belfry/service'
import { z } from 'zod'
import { fence } from '../admission/fence.ts'
import type { Dispatcher } from '../dispatch/dispatcher.ts'
import type { ExecutionChanges } from '../executions/changes.ts'
import { toStatusMessage } from '../executions/execution.ts'
import type { CancelExecution } from '../intake/cancel-execution.ts'
import type { Stores } from '../store/ports.ts'

export interface InternalRoutes {
  readonly stores: Stores
  readonly clock: Clock
  /** What one answer to a comparison holds, bytes; one record is sent whatever its size. */
  readonly fetchBytes: number
  readonly changes: ExecutionChanges
  readonly dispatcher: Pick<Dispatcher, 'cancel'>
  readonly cancelExecution: CancelExecution
  /** Ends what the fence has closed and is still ready. */
  readonly settleLoop: Pick<Loop, 'nudge'>
}

const service = { access: 'service' } as const
const admission = {
  params: z.strictObject({ jobId: z.string().regex(jobIdPattern, 'is not a job id') }),
  body: fenceBody,
  response: { 200: fenceReply },
}

const foreignCommand = refusal('malformed-request', 'The command is of another execution.', {
  errors: [{ pointer: '/command/executionId', code: 'mismatch', detail: 'is not the id in the path' }],
})
const cancel = {
  params: z.strictObject({ id: executionId }),
  body: cancelExecutionBody,
  response: { 200: cancelExecutionReply },
}

/** What job-service asks: the fence (docs/protocol.md step 2), the cancel of one execution, and the reconcile (step 14). */
export function mountInternal(app: HttpApp, routes: InternalRoutes): void {
  const { stores, clock, fetchBytes, changes, dispatcher, settleLoop } = routes
  app.put('/internal/admissions/:jobId', { schema: admission, config: service }, async (request, reply) => {
    const fenced = await fence(stores, request.params.jobId, request.body.changes, clock.now())
    if (isRefusal(fenced)) return reply.refuse(fenced)
    for (const { rowId } of fenced.asked) dispatcher.cancel(rowId)
    changes.publish(fenced.asked, 'close')
    settleLoop.nudge()
    return fenced.reply
  })

  app.put('/internal/executions/:id/cancel', { schema: cancel, config: service }, async (request, reply) => {
    const { id } = request.params
    const { command } = request.body
    if (command && command.executionId !== id) return reply.refuse(foreignCommand)
    const cancelled = await routes.cancelExecution(id, command)
    return isRefusal(cancelled) ? reply.refuse(cancelled) : toStatusMessage(cancelled)
  })

  const comparison = { querystring: changesQuery, response: { 200: executionChangesPage } }
  app.get('/internal/executions/changes', { schema: comparison, config: service }, async ({ query }) => {
    const { rows, head, hasMore } = await stores.executions.listChanges(query)
    return { data: rows, head, hasMore }
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
