import type { JobType, RetryBody } from '@belfry/contracts'
import { createOutbound, type Resolve } from '@belfry/outbound'
import type { Handler, Handlers } from '@belfry/worker'
import { z } from 'zod'
import { dummy } from './dummy.ts'
import { createHttpCall } from './http-call/http-call.ts'
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
  /** Job types that depend on the configuration. */
  more?: readonly Handler[]
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
  const httpCall = createHttpCall(outbound, config.httpBodyBytes, config.allowPrivate)
  const all: Handler[] = [dummy, httpCall, report, ...(config.more ?? [])]
  return {
    types: new Map(all.map((handler) => [handler.type, handler])),
    close: () => outbound.close(),
  }
}

function describe(handler: Handler): JobType {
  const { type, title, description, timeoutMs, paramWarnings = [], retry } = handler
  const examples = handler.examples.map((example) => ({ ...example }))
  const params = handler.schemas?.params ?? z.toJSONSchema(handler.params, { io: 'input' })
  return {
    type,
    title,
    description,
    params: { ...params, examples },
    result: { ...(handler.schemas?.result ?? z.toJSONSchema(handler.result)) },
    paramWarnings: [...paramWarnings],
    timeoutMs,
    ...(retry && { retry: retryDefaults(retry) }),
    examples,
  }
}

function retryDefaults({ delay, maxDelay, ...rest }: RetryBody): JobType['retry'] {
  return {
    ...rest,
    ...(delay !== undefined && { delayMs: delay }),
    ...(maxDelay !== undefined && { maxDelayMs: maxDelay }),
  }
}

const described = new WeakMap<Handler, JobType>()

/** What `GET /job-types` says: the params as they are sent (defaults named, not required), the results as they come. */
export function describeHandlers(handlers: Handlers): JobType[] {
  return [...handlers.types.values()].map((handler) => {
    const known = described.get(handler) ?? describe(handler)
    described.set(handler, known)
    return known
  })
}

/** Consul takes values of 512 characters; some are left for the count of what is not listed. */
const longestList = 480

/** The names for the registry: as many as fit, and how many more there are. */
export function listedTypes(types: Iterable<string>): string {
  const listed: string[] = []
  let length = 0
  let more = 0
  for (const type of types) {
    length += type.length + 1
    if (length > longestList) more += 1
    else listed.push(type)
  }
  return more === 0 ? listed.join() : `${listed.join()},and ${more} more`
}
