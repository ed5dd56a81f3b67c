import { refusal, type ServiceName, serviceNames } from '@belfry/contracts'
import { type Balancer, breakerStates, type Registry, type RestClient } from '@belfry/discovery'
import type { HttpApp } from '@belfry/http'
import type { Clock, MetricsRegistry } from '@belfry/service'
import { z } from 'zod'
import type { ApiDocument } from '../openapi/api-document.ts'
import { proxiedServices } from '../proxy/route-table.ts'

const check = z.object({
  name: z.string(),
  ok: z.boolean(),
  latencyMs: z.number(),
  since: z.iso.datetime(),
  note: z.string().optional(),
})

const serviceView = z.object({
  service: z.enum(serviceNames),
  ready: z.boolean(),
  /** The checks of its dependencies; empty when it could not be reached. */
  checks: z.array(check),
  /** Version of the time zone data in use, such as `2026c`; null when the service could not be reached. */
  timeZoneData: z.string().nullable(),
  instances: z.array(
    z.object({
      id: z.string(),
      /** The breaker of the gateway: how the calls that go through here fare. */
      breaker: z.enum(breakerStates),
      /** Calls that wait for its answer just now. */
      inFlight: z.number().int(),
    }),
  ),
})
type ServiceView = z.output<typeof serviceView>

const servicesReply = z.object({ data: z.array(serviceView) })

/** The gateway's own part of the API description. */
export const systemDocument: ApiDocument = {
  paths: {
    '/system/services': {
      get: {
        tags: ['system'],
        summary: 'The services: instances, health, breakers, and the version of the time zone data',
        security: [{ token: [] }],
        responses: {
          200: { description: 'Ok', content: { 'application/json': { schema: z.toJSONSchema(servicesReply) } } },
        },
      },
    },
  },
}

export interface SystemOptions {
  registry: Registry
  balancer: Balancer
  rest: RestClient
  metricsRegistry: MetricsRegistry
  clock: Clock
  readyTimeoutMs: number
}

/** The answer of `/readyz?verbose`. */
const readyReply = z.object({ checks: z.array(check), timeZoneData: z.string() })

type Readiness = Pick<ServiceView, 'ready' | 'checks' | 'timeZoneData'>
const unknown = { checks: [], timeZoneData: null }

async function readinessOf(service: ServiceName, { rest, readyTimeoutMs }: SystemOptions): Promise<Readiness> {
  try {
    const path = '/readyz?verbose'
    const { status, body } = await rest.request({ service, method: 'GET', path, deadlineMs: readyTimeoutMs })
    const read = readyReply.safeParse(body)
    return { ready: status === 200, ...(read.success ? read.data : unknown) }
  } catch {
    // An unreachable service is an answer here; the balancer's metrics and the log hold the reason.
    return { ready: false, ...unknown }
  }
}

async function viewOf(service: ServiceName, options: SystemOptions): Promise<ServiceView> {
  const readiness = await readinessOf(service, options)
  const breakers = new Map(options.balancer.breakers().map((one) => [one.target, one]))
  const instances = options.registry.instances(service).map(({ id }) => {
    const known = breakers.get(id)
    return { id, breaker: known?.state ?? 'closed', inFlight: known?.inFlight ?? 0 } as const
  })
  return { service, ...readiness, instances }
}

const loopback = /^(?:127\.|::1$|::ffff:127\.)/
const elsewhere = refusal('not-found', 'There is nothing at this address.')

/** `/system/services` for users, `/metrics` for callers on the same machine. */
export function mountSystem(app: HttpApp, options: SystemOptions): void {
  app.get('/system/services', { schema: { hide: true }, config: { access: 'viewer' } }, async () => ({
    data: await Promise.all(proxiedServices.map((service) => viewOf(service, options))),
  }))

  app.get('/metrics', { schema: { hide: true }, config: { access: 'public' } }, async (request, reply) => {
    if (!loopback.test(request.socket.remoteAddress ?? '')) return reply.refuse(elsewhere)
    return reply.type(options.metricsRegistry.contentType).send(await options.metricsRegistry.render())
  })
}
