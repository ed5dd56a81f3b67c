import {
  type FireLogPosition,
  fireDecisions,
  type HistoryEntry,
  historyEntry,
  isRefusal,
  jobRef,
  pageOf,
  pageQuery,
  type Refusal,
  toWireTime,
} from '@belfry/contracts'
import { answerPage, type CursorPart, decodeCursor, encodeCursor, type HttpApp } from '@belfry/http'
import { z } from 'zod'
import type { Rights } from '../domain/reach.ts'
import type { ListPosition } from '../store/ports.ts'
import type { JobContext } from '../use-cases/context.ts'
import { type HistoryPosition, type HistoryRow, listHistory } from '../use-cases/list-history.ts'
import type { ExecutionViews } from './execution-view.ts'

/** The position of an execution as its store wrote it, as JSON; then that of a range. */
const cursorShape = z.tuple([z.string().nullable(), z.int().nullable(), z.enum(fireDecisions).nullable()])
const begin: HistoryPosition = { execution: null, range: null }

function cursorOf({ execution, range }: HistoryPosition): CursorPart[] {
  return [execution && JSON.stringify(execution), range?.from ?? null, range?.decision ?? null]
}

/** `GET /jobs/:id/history`: executions and fire times without one, in one list. */
export function mountHistory(app: HttpApp, context: JobContext, views: ExecutionViews): void {
  const { executions } = context.stores
  const storeShape = z.custom<ListPosition>(executions.isPosition)

  /** The position of a cursor; a refusal when it is not one that this list gave. */
  const readPosition = (cursor: string | undefined): HistoryPosition | Refusal => {
    if (cursor === undefined) return begin
    const parts = decodeCursor(cursor, cursorShape)
    if (isRefusal(parts)) return parts
    const [text, from, decision] = parts
    const execution = text === null ? null : decodeCursor(Buffer.from(text).toString('base64url'), storeShape)
    if (isRefusal(execution)) return execution
    const range: FireLogPosition | null = from === null || decision === null ? null : { from, decision }
    return { execution, range }
  }

  const viewRow = (row: HistoryRow, rights: Rights): HistoryEntry => {
    if ('execution' in row) {
      const { execution } = row
      return { kind: 'execution', at: toWireTime(execution.fireAt), execution: views.listed(execution, rights) }
    }
    const { from, to, ...rest } = row.range
    const at = toWireTime(from)
    return { kind: 'fire-log', at, range: { from: at, to: toWireTime(to), ...rest } }
  }

  const schema = {
    operationId: 'listJobHistory',
    tags: ['jobs'],
    summary: "A job's executions and its fire times without one, newest first",
    description:
      'Entries of the kind `execution` and `fire-log`. A range of the fire log stands at its first fire time.',
    answerHeaders: { 200: ['link'] },
    params: z.object({ id: jobRef }),
    querystring: pageQuery,
    response: { 200: pageOf(historyEntry) },
  } as const
  app.get('/jobs/:id/history', { schema, config: { access: 'viewer' } }, async (request, reply) => {
    const after = readPosition(request.query.cursor)
    if (isRefusal(after)) return reply.refuse(after)
    const job = { caller: request.caller, ref: request.params.id }
    const history = await listHistory(context, job, { limit: request.query.limit, after })
    if (isRefusal(history)) return reply.refuse(history)
    return answerPage(reply, history.rows, {
      cursorOf: ({ position }) => cursorOf(position),
      view: (row) => viewRow(row, history.rights),
      next: history.next && encodeCursor(cursorOf(history.next)),
      maxBytes: context.config.jobPageBytes,
    })
  })
}
