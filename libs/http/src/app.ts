import { refusal, type ServiceName } from '@belfry/contracts'
import type { ServiceDeps } from '@belfry/service'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyHttpOptions,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RawServerDefault,
} from 'fastify'
import { createAuthentication, type SwapApiKey } from './authenticate.ts'
import { boundBodies } from './body-budget.ts'
import { answerClientError } from './client-error.ts'
import { allowOrigins, type CorsOptions } from './cors.ts'
import { mountDialects } from './dialect-routes.ts'
import { checkCompiler, createErrorHandler } from './errors.ts'
import { guardHosts } from './hosts.ts'
import type { HttpApp } from './http-app.ts'
import { readJsonBody } from './json-body.ts'
import { describeApp, mountDescription } from './openapi/describe-app.ts'
import { mountProbes } from './probes.ts'
import { sendRefusal } from './problem.ts'
import { addRequestMetrics } from './request-metrics.ts'
import { decorateRouteConfig, routeConfigOf } from './route-config.ts'
import { guardRoutes, longestParam } from './routes.ts'
import { createSecurityHeaders } from './security-headers.ts'
import type { ServiceTokens } from './service-tokens.ts'
import type { TokenVerifier } from './tokens.ts'
import { createRequestId, isTraceparent } from './tracing.ts'
import { takeTurns } from './turns.ts'

export interface HttpAppOptions {
  service: ServiceName
  deps: ServiceDeps
  /** Checks access tokens. Null: the app has public and service routes only. */
  tokens: TokenVerifier | null
  /** Checks tokens of services; without it no `service` route lets a caller in. */
  serviceTokens?: ServiceTokens
  /** Makes an access token of an API key; without it the app takes access tokens only. It must not reject. */
  swapApiKey?: SwapApiKey
  /** Serve `/openapi.json` out of the app's own routes; the gateway serves one over all services instead. */
  openapi?: boolean
  /** Where browsers reach the app when it is not by an address of its own, checked by the configuration. */
  publicUrl?: string | undefined
  /** Adds hooks that run before a caller is known, which may take a call to another service. */
  beforeAuthentication?: (app: HttpApp) => void
  /** The pages of other origins that may call the app; none when left out. */
  cors?: CorsOptions
  /** Largest body, bytes. */
  bodyLimitBytes?: number
  /** What the bodies of all requests at work may take up together, bytes; without it they are not bounded. */
  bodiesBytes?: number
  /** Until the whole request must have come in, milliseconds. */
  requestTimeoutMs?: number
  /** Until its headers must have come in, milliseconds. */
  headersTimeoutMs?: number
  /** How long a connection may be silent, milliseconds. */
  connectionTimeoutMs?: number
  /** How often late requests are looked for, milliseconds. */
  timeoutSweepMs?: number
}

type Sign = (request: FastifyRequest, reply: FastifyReply) => void

function createSign(publicUrl: string | null): Sign {
  const headersOf = createSecurityHeaders(publicUrl)
  return (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.headers(headersOf(routeConfigOf(request).access))
  }
}

/** What cannot even be routed (a broken escape in the address) passes no hook, and is answered like everything else. */
function answerUnrouted(answer: ReturnType<typeof createErrorHandler>, sign: Sign): typeof answer {
  return (error, request, reply) => {
    sign(request, reply)
    return answer(error, request, reply)
  }
}

/** Largest body where a route sets no other bound (docs/guide/http-conventions.md). */
const usualBodyLimitBytes = 256 * 1024

function serverOptions(options: HttpAppOptions, sign: Sign): FastifyHttpOptions<RawServerDefault> {
  const { deps } = options
  return {
    loggerInstance: deps.log as FastifyBaseLogger,
    // One line for each failure is enough; a child logger and two lines a request would cost 10 µs.
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (logger) => logger,
    // What still arrives while the app closes is answered, and its connection closed: the parts behind the routes stop later.
    return503OnClosing: false,
    bodyLimit: options.bodyLimitBytes ?? usualBodyLimitBytes,
    requestTimeout: options.requestTimeoutMs ?? 15_000,
    connectionTimeout: options.connectionTimeoutMs ?? 30_000,
    http: {
      // A request without one is refused by a hook: Node.js answers it without a body.
      requireHostHeader: false,
      headersTimeout: options.headersTimeoutMs ?? 10_000,
      connectionsCheckingInterval: options.timeoutSweepMs ?? 5_000,
    },
    routerOptions: { maxParamLength: longestParam },
    requestIdHeader: false,
    genReqId: createRequestId(deps.ids),
    clientErrorHandler: answerClientError,
    frameworkErrors: answerUnrouted(createErrorHandler(deps.log), sign) as never,
  }
}

const compressed = refusal('unsupported-media-type', 'Send the body as it is, without Content-Encoding.')

function greet(app: HttpApp, sign: Sign): void {
  app.decorateRequest('traceparent', null)
  app.addHook('onRequest', (request, reply, done) => {
    const { traceparent } = request.headers
    if (isTraceparent(traceparent)) request.traceparent = traceparent
    sign(request, reply)
    const encoding = request.headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') sendRefusal(reply, compressed)
    else done()
  })
}

/** RFC 7396; taken by PATCH alone, beside plain JSON. */
const mergePatchType = 'application/merge-patch+json'
const noPatch = refusal('unsupported-media-type', `Only PATCH takes ${mergePatchType}; send application/json.`)

/** Node.js answers an `Expect` that it does not know with an empty 417; RFC 9110, 10.1.1 lets a server pass over it. */
function passOverExpectations({ server }: HttpApp): void {
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
}

function readBodies(app: HttpApp): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(['application/json', mergePatchType], { parseAs: 'buffer' }, (_request, bytes, done) => {
    try {
      done(null, readJsonBody(bytes as Buffer))
    } catch (error) {
      done(error as Error)
    }
  })
  app.addHook('preParsing', (request, reply, _payload, done) => {
    const isPatch = request.headers['content-type']?.trimStart().toLowerCase().startsWith(mergePatchType) === true
    if (isPatch && request.method !== 'PATCH') sendRefusal(reply, noPatch)
    else done(null)
  })
}

/**
 * An app with the common rules: every route has an access rule, bodies are closed and checked, and one answer names all issues,
 * every refusal is problem+json, and nothing that comes in makes a 5xx. `/livez`, `/readyz` and `/openapi.json` are there.
 * Add routes in the same turn of the event loop; `request.caller` is the caller, `reply.refuse` answers a refusal.
 */
export function createHttpApp(options: HttpAppOptions): HttpApp {
  const { deps, tokens, serviceTokens = null, swapApiKey = null } = options
  const publicUrl = options.publicUrl ?? null
  const sign = createSign(publicUrl)
  const app = Fastify(serverOptions(options, sign)) as unknown as HttpApp
  decorateRouteConfig(app)
  app.setValidatorCompiler(checkCompiler)
  app.setSerializerCompiler(() => JSON.stringify)
  app.setErrorHandler(createErrorHandler(deps.log))
  app.decorateReply('refuse', function (refused) {
    return sendRefusal(this, refused)
  })
  passOverExpectations(app)
  readBodies(app)
  takeTurns(app)
  greet(app, sign)
  guardHosts(app, publicUrl, options.cors?.origins)
  if (options.cors) allowOrigins(app, options.cors)
  options.beforeAuthentication?.(app)
  app.addHook('onRequest', createAuthentication(app, { tokens, serviceTokens, swapApiKey }))
  guardRoutes(app, { hasTokens: tokens !== null })
  mountDialects(app)
  if (options.bodiesBytes !== undefined) boundBodies(app, options.bodiesBytes)
  addRequestMetrics(app, deps.metrics)
  describeApp(app, options.service)
  if (options.openapi ?? true) mountDescription(app)
  mountProbes(app, deps.health)
  if (tokens) deps.health.add('token keys', () => tokens.check())
  return app
}
