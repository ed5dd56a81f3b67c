import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { AddressInfo } from 'node:net'
import type { Access } from '@belfry/http'
import type { FastifyInstance, RouteOptions } from 'fastify'

/** One address of a running service, as its router has it. */
export interface LiveRoute {
  readonly service: string
  readonly method: string
  /** `/api/v1/jobs/:id` */
  readonly pattern: string
  readonly access: Access
  /** Undefined where the description of the API does not have it. */
  readonly operationId: string | undefined
  /** A route of the gateway that hands the request on to a service. */
  readonly isProxied: boolean
  /** `http://127.0.0.1:<port>` of the service itself. */
  readonly origin: string
}

/** What the services of this process have mounted, and what they send each other. */
export interface LiveServices {
  routes(): LiveRoute[]
  /** The newest token with which one service has called another; undefined before the first such call. */
  serviceToken(): string | undefined
  stop(): void
}

interface Started {
  readonly app: FastifyInstance
  readonly routes: RouteOptions[]
}

/** Fastify publishes every app that is made; the hooks of this proof run before those of the app itself. */
const channel = 'fastify.initialization'

function originOf({ server }: FastifyInstance): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The name that a service gives to its log lines. */
function nameOf({ log }: FastifyInstance): string {
  const { bindings } = log as unknown as { bindings(): { service?: string } }
  return bindings.call(log).service ?? 'unknown'
}

function rowsOf({ app, routes }: Started): LiveRoute[] {
  const [service, origin] = [nameOf(app), originOf(app)]
  return routes.flatMap(({ method, url, config, schema }) =>
    [method].flat().map((one) => ({
      ...{ service, origin, method: one, pattern: url },
      access: config?.access as Access,
      operationId: (schema as { operationId?: string } | undefined)?.operationId,
      isProxied: schema === undefined,
    })),
  )
}

/** Call it before the services are made: it records every route as it is mounted, with its access rule. */
export function watchServices(): LiveServices {
  const started: Started[] = []
  let serviceToken: string | undefined
  const onApp = (message: unknown) => {
    const { fastify: app } = message as { fastify: FastifyInstance }
    const routes: RouteOptions[] = []
    started.push({ app, routes })
    app.addHook('onRoute', (route) => void routes.push(route))
    app.addHook('onRequest', (request, _reply, done) => {
      const { authorization } = request.headers
      // The proof itself sends the token that was recorded last, which changes nothing.
      if (isSentByService(request.headers)) serviceToken = authorization?.slice('Bearer '.length)
      done()
    })
  }
  subscribe(channel, onApp)
  return {
    routes: () => started.flatMap(rowsOf),
    serviceToken: () => serviceToken,
    stop: () => void unsubscribe(channel, onApp),
  }
}

/** Whether the claims of a bearer token name the audience of the calls between services. */
function isSentByService({ authorization = '' }: { authorization?: string | undefined }): boolean {
  const [, claims = ''] = authorization.split('.')
  return Buffer.from(claims, 'base64url').toString().includes('"belfry-internal"')
}
