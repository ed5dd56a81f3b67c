import {
  executionId,
  isRefusal,
  logLine,
  logsQuery,
  pageOf,
  type Refusal,
  refusal,
  toWireTime,
} from '@belfry/contracts'
import { decodeCursor, type EventStreams, encodeCursor, type HttpApp, sendPage } from '@belfry/http'
import type { Clock, Logger } from '@belfry/service'
import { z } from 'zod'
import type { LogEntry, Stored, Stores } from '../store/ports.ts'
import { type FollowLogOptions, followLog, type LogPosition, readLogPosition } from './follow-log.ts'
import type { JobCaller, SeesDetails } from './job-reach.ts'

const tags = ['executions']
const reads = { access: 'viewer' } as const
const badEventId = refusal('malformed-request', 'The Last-Event-ID is not one of this stream.', {
  errors: [{ pointer: 'Last-Event-ID', code: 'bad-format', detail: 'is not an id of this stream' }],
})
/** The body of a file. */
const bytes = z.unknown().meta({ type: 'string', format: 'binary' })
const logContents = {
  'application/json': { schema: pageOf(logLine) },
  'text/event-stream': { schema: z.string() },
}
const logPosition = z.tuple([z.int().min(0), z.int().min(0)])
const noExecution = refusal('not-found', 'You have no such execution.')
const noAnswer = refusal('unavailable', 'job-service does not say who may see the execution: try again', {
  retryAfterS: 1,
})
const noArtifact = refusal('not-found', 'The execution has no such artifact.')

/** Types that no browser runs; any other type that a handler names is sent as bytes. */
const plainTypes = ['text/plain', 'text/csv', 'application/json', 'application/pdf', 'image/png', 'image/jpeg']

function servedType(contentType: string): string {
  const [type = ''] = contentType.toLowerCase().split(';', 1)
  if (!plainTypes.includes(type.trim())) return 'application/octet-stream'
  return type.startsWith('text/') ? `${type.trim()}; charset=utf-8` : type.trim()
}

/** The line that a request names as the last one that it has: by `Last-Event-ID`, else by its cursor. */
function positionOf(
  request: { readonly headers: Readonly<Record<string, unknown>> },
  cursor: string | undefined,
): LogPosition | Refusal {
  const lastId = request.headers['last-event-id']
  if (typeof lastId === 'string') return readLogPosition(lastId) ?? badEventId
  const position = decodeCursor(cursor ?? encodeCursor([0, 0]), logPosition)
  return isRefusal(position) ? position : { epoch: position[0], seq: position[1] }
}

export interface ExecutionRoutes extends Omit<FollowLogOptions, 'stores'> {
  readonly seesDetails: SeesDetails
  readonly streams: EventStreams
  readonly clock: Clock
  readonly log: Logger
}

/** What handlers leave behind: logs and artifacts, for the owner of the job and its viewers. */
export function mountExecutions(
  app: HttpApp,
  stores: Stores,
  { seesDetails, streams, log, ...following }: ExecutionRoutes,
): void {
  const { executions, logs, artifacts } = stores

  async function isReadable({ execution: { ownerId, jobId } }: Stored, caller: JobCaller): Promise<boolean> {
    return ownerId === caller.userId || seesDetails(jobId, caller)
  }

  /** The execution of another user is not there at all, unless its job is shared with the caller. */
  async function findReadable(id: string, caller: JobCaller): Promise<Stored | Refusal> {
    const [found] = await executions.find([id])
    if (!found) return noExecution
    try {
      return (await isReadable(found, caller)) ? found : noExecution
    } catch (err) {
      log.warn({ err, jobId: found.execution.jobId }, 'job-service does not say who may see a job')
      return noAnswer
    }
  }

  const logSchema = {
    operationId: 'listExecutionLogs',
    tags,
    summary: 'What the attempts of an execution have logged',
    description: 'The lines of all attempts in the order in which they were written; of one attempt with `attempt`.',
    answerHeaders: { 200: ['link'] },
    params: z.strictObject({ id: executionId }),
    querystring: logsQuery,
    requestHeaders: ['last-event-id'],
    response: { 200: { description: 'A page of lines; with `follow`, a stream of events.', content: logContents } },
  } as const
  app.get('/executions/:id/logs', { schema: logSchema, config: reads }, async (request, reply) => {
    const { limit, cursor, attempt = null, follow } = request.query
    const after = positionOf(request, cursor)
    if (isRefusal(after)) return reply.refuse(after)
    const found = await findReadable(request.params.id, request.caller)
    if (isRefusal(found)) return reply.refuse(found)
    if (follow === 'true' && request.method === 'GET') {
      const stream = streams.open(request, reply)
      if (isRefusal(stream)) return reply.refuse(stream)
      const { rowId } = found
      const mayGoOn = () => isReadable(found, request.caller)
      await followLog(stream, { rowId, after, attempt, mayGoOn, view: viewLine }, { stores, log, ...following })
      return reply
    }
    const lines = await logs.list(found.rowId, { after, epoch: attempt, limit: limit + 1 })
    return sendPage(reply, lines, limit, ({ epoch, seq }) => [epoch, seq], viewLine)
  })

  const artifactSchema = {
    operationId: 'getArtifact',
    tags,
    summary: 'A file that an execution has made',
    description:
      'The bytes of the file. Texts, CSV, JSON, PDF, PNG and JPEG have their own content type; everything else is sent as `application/octet-stream`.',
    answerHeaders: { 200: ['content-disposition'] },
    params: z.strictObject({
      id: executionId,
      name: z.string().min(1).max(100).describe('The name of the file, as `artifacts` of the execution lists it.'),
    }),
    response: {
      200: { description: 'The bytes of the file.', content: { 'application/octet-stream': { schema: bytes } } },
    },
  } as const
  app.get('/executions/:id/artifacts/:name', { schema: artifactSchema, config: reads }, async (request, reply) => {
    const { id, name } = request.params
    const found = await findReadable(id, request.caller)
    if (isRefusal(found)) return reply.refuse(found)
    const artifact = found.execution.artifacts.find((one) => one.name === name)
    const body = artifact && (await artifacts.read(found.rowId, artifact.epoch, name))
    if (!artifact || !body) return reply.refuse(noArtifact)
    return reply
      .header('content-type', servedType(artifact.contentType))
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Buffer.from(body.buffer, body.byteOffset, body.byteLength))
  })
}

function viewLine({ seq, epoch, at, level, text }: LogEntry & { epoch: number }) {
  return { seq, epoch, at: toWireTime(at), level, text }
}
