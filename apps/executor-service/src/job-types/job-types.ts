import type { JobType } from '@belfry/contracts'
import type { Handler, Handlers } from '@belfry/worker'
import { z } from 'zod'
import { dummy } from './dummy.ts'
import { createHttpCall } from './http-call/http-call.ts'
import type { Resolve } from './http-call/lookups.ts'
import { createOutbound } from './http-call/outbound.ts'
import { report } from './report/report.ts'

export interface HandlersConfig {
  /** Whether HTTP_CALL may reach loopback, private and other addresses that are not public. */
  allowPrivate: boolean
  /** Most connections to one origin at a time: as many as there may be attempts, or those of one owner would hold up those of another. */
  httpConnections: number
  /** How long opening one connection may take, milliseconds. */
  httpConnectTimeoutMs: number
  /**
   * How long an unused connection is kept when the server does not say, milliseconds. Below what servers keep by
   * default (2 s is the shortest that is common), or a call would now and then go out on a connection that just closed.
   */
  httpKeepAliveMs: number
  /** Name lookups at a time, and of one owner. */
  lookups: number
  ownerLookups: number
  /** How much of an answer's body is kept, bytes; its stored form, half as long again, must fit into a result. */
  httpBodyBytes: number
}

export const handlersDefaults: HandlersConfig = {
  allowPrivate: false,
  httpConnections: 400,
  httpConnectTimeoutMs: 10_000,
  httpKeepAliveMs: 1000,
  lookups: 8,
  ownerLookups: 2,
  httpBodyBytes: 32 * 1024,
}

/** The job types that ship. All calls share one pool of connections, which `close` ends. `resolve` finds addresses. */
export function createHandlers(config: HandlersConfig, resolve?: Resolve): Handlers {
  const outbound = createOutbound(
    {
      allowPrivate: config.allowPrivate,
      connections: config.httpConnections,
      connectTimeoutMs: config.httpConnectTimeoutMs,
      keepAliveMs: config.httpKeepAliveMs,
      lookups: { total: config.lookups, ofOwner: config.ownerLookups, waiting: config.httpConnections },
    },
    resolve,
  )
  const all: Handler[] = [dummy, createHttpCall(outbound, config.httpBodyBytes, config.allowPrivate), report]
  return {
    types: new Map(all.map((handler) => [handler.type, handler])),
    close: () => outbound.close(),
  }
}

function describe(handler: Handler): JobType {
  const { type, title, description, timeoutMs, paramWarnings = [] } = handler
  const examples = handler.examples.map((example) => ({ ...example }))
  return {
    type,
    title,
    description,
    params: { ...z.toJSONSchema(handler.params, { io: 'input' }), examples },
    result: { ...z.toJSONSchema(handler.result) },
    paramWarnings: [...paramWarnings],
    timeoutMs,
    examples,
  }
}

/** What `GET /job-types` says: the params as they are sent (defaults named, not required), the results as they come. */
export function describeHandlers(handlers: Handlers): JobType[] {
  return [...handlers.types.values()].map(describe)
}
