import { type Caller, type HttpApp, knownCaller } from '@belfry/http'
import type { Clock } from '@belfry/service'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { answeredIds } from './answered-ids.ts'
import type { AuditRecorder, RecordedRequest } from './recorder.ts'
import type { NewAuditRow } from './row.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** False: the route changes nothing although its method may, so that its requests are not recorded. */
    audit?: false
  }
}

/** What a route adds to the row of its request. */
export interface AuditNote {
  /** The user of a request that comes without a token, once it is known who that is. */
  readonly actor?: { readonly id: string; readonly name: string }
  readonly target?: string
  readonly also?: readonly string[]
  readonly version?: number
}

const safeMethods = ['GET', 'HEAD', 'OPTIONS']
/** The dialects of an address (docs/guide/http-conventions.md) are one operation. */
const dialect = /^(?:\/api)?(?:\/v1)?(?=\/)/
const mostIds = 20

const recordedOn = Symbol('recorded')
const noteOn = Symbol('note')
interface Recorded {
  [recordedOn]?: RecordedRequest
  [noteOn]?: AuditNote
}
const on = (request: FastifyRequest) => request as unknown as Recorded

/** Adds to the row of a request what only its route knows. A later note replaces the same fields of an earlier one. */
export function noteAudit(request: FastifyRequest, note: AuditNote): void {
  on(request)[noteOn] = { ...on(request)[noteOn], ...note }
}

function isRecorded({ method, routeOptions: { config } }: FastifyRequest): boolean {
  return !safeMethods.includes(method) && config.audit !== false && config.access !== 'service'
}

function actionOf({ method, routeOptions: { schema, url = '' } }: FastifyRequest): string {
  const { operationId } = (schema ?? {}) as { operationId?: string }
  return operationId ?? `${method} ${url.replace(dialect, '')}`
}

/** The ids in the address, as they were given. */
function namedIds({ params }: FastifyRequest): string[] {
  return Object.values((params ?? {}) as Record<string, unknown>).filter((value) => typeof value === 'string')
}

/** A call with an API key carries the id of the key. */
const keyIdOf = (caller: (Caller & { readonly apiKeyId?: string }) | null) => caller?.apiKeyId

function viaOf(caller: Caller | null): NewAuditRow['via'] {
  if (!caller) return 'none'
  return keyIdOf(caller) === undefined ? 'token' : 'api-key'
}

function rowOf(request: FastifyRequest, at: number): NewAuditRow {
  const caller = knownCaller(request)
  const { headers, socket } = request.raw
  return {
    at,
    actorId: caller?.userId ?? null,
    actorName: caller?.username ?? null,
    via: viaOf(caller),
    action: actionOf(request),
    target: namedIds(request)[0] ?? null,
    requestId: request.id,
    address: headers['x-forwarded-for']?.toString().slice(0, 64) ?? socket.remoteAddress ?? null,
  }
}

function outcomeOf(request: FastifyRequest, reply: FastifyReply, payload: unknown) {
  const note = on(request)[noteOn] ?? {}
  const named = namedIds(request)
  const answered = reply.statusCode < 300 ? answeredIds(reply.getHeaders(), payload) : { ids: [], version: null }
  const target = note.target ?? answered.ids[0] ?? named[0] ?? null
  const keyId = keyIdOf(knownCaller(request))
  const others = new Set([...(keyId === undefined ? [] : [keyId]), ...(note.also ?? []), ...named, ...answered.ids])
  others.delete(target ?? '')
  return {
    actor: note.actor,
    status: reply.statusCode,
    target,
    also: [...others].slice(0, mostIds),
    version: note.version ?? answered.version,
  }
}

/**
 * Records each request of a route that may change something, once its body has been checked and before its work begins, and holds
 * the answer back until the row is stored. A change that is acknowledged has its row for that reason, also when the process is
 * killed at any moment. What a role does not allow is recorded too. A request without a valid token, and one whose body is
 * malformed, is not: it names no user, or cannot change anything.
 */
export function recordRequests(app: HttpApp, recorder: AuditRecorder, clock: Pick<Clock, 'now'>): void {
  app.addHook('preHandler', (request, _reply, done) => {
    if (isRecorded(request)) on(request)[recordedOn] = recorder.begin(rowOf(request, clock.now()))
    done()
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const begun = on(request)[recordedOn]
    if (begun) {
      begun.end(outcomeOf(request, reply, payload))
      begun.stored.then(() => done(null, payload), done)
      return
    }
    if (reply.statusCode === 403 && !request.is404 && isRecorded(request) && knownCaller(request)) {
      recorder.begin(rowOf(request, clock.now())).end(outcomeOf(request, reply, payload))
    }
    done(null, payload)
  })
}
