import { type ServiceName, serviceNames } from '@belfry/contracts'
import { type Balancer, breakerStates, type Instance, type Registry, type RestClient } from '@belfry/discovery'
import { type HttpApp, mountMetrics } from '@belfry/http'
import type { Clock, MetricsRegistry } from '@belfry/service'
import type { FastifyRequest } from 'fastify'
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

const breakerView = z.object({
  service: z.enum(serviceNames),
  /** The id of the instance that is called. */
  target: z.string(),
  state: z.enum(breakerStates),
  inFlight: z.number().int(),
})

const instanceView = z.object({
  id: z.string(),
  /** False, without checks, when it could not be reached. */
  ready: z.boolean(),
  checks: z.array(check),
  /** The breaker of the gateway that answers: how the calls that go through here fare. */
  breaker: z.enum(breakerStates),
  /** Calls of this gateway that wait for its answer just now. */
  inFlight: z.number().int(),
  /** Its own breakers: how its calls to other services fare. */
  calls: z.array(breakerView),
})

const serviceView = z.object({
  service: z.enum(serviceNames),
  /** Whether an instance of it is ready. */
  ready: z.boolean(),
  /** The checks of the dependencies of its first instance that answered; empty when none could be reached. */
  checks: z.array(check),
  /** Version of the time zone data in use there, such as `2026c`; null when no instance could be reached. */
  timeZoneData: z.string().nullable(),
  instances: z.array(instanceView),
})
type ServiceView = z.output<typeof serviceView>
type InstanceView = z.output<typeof instanceView>

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
/** The answer of `/internal/breakers`. */
const breakersReply = z.object({ data: z.array(breakerView) })

/** The answer of an instance; undefined when it cannot be reached: the balancer's metrics and the log hold the reason. */
function ask({ service, id: instance }: Instance, path: string, { rest, readyTimeoutMs: deadlineMs }: SystemOptions) {
  return rest.request({ service, instance, method: 'GET', path, deadlineMs }).catch(() => undefined)
}

async function viewOfInstance(instance: Instance, options: SystemOptions) {
  const [ready, calls] = await Promise.all([
    ask(instance, '/readyz?verbose', options),
    ask(instance, '/internal/breakers', options),
  ])
  const { id } = instance
  const known = options.balancer.breakers().find(({ target }) => target === id)
  const read = readyReply.safeParse(ready?.body)
  const view: InstanceView = {
    id,
    ready: ready?.status === 200,
    checks: read.data?.checks ?? [],
    breaker: known?.state ?? 'closed',
    inFlight: known?.inFlight ?? 0,
    calls: breakersReply.safeParse(calls?.body).data?.data ?? [],
  }
  return { view, timeZoneData: read.data?.timeZoneData ?? null }
}

async function viewOf(service: ServiceName, options: SystemOptions): Promise<ServiceView> {
  const instances = options.registry.instances(service)
  const found = await Promise.all(instances.map((instance) => viewOfInstance(instance, options)))
  const answered = found.find(({ timeZoneData }) => timeZoneData !== null)
  return {
    service,
    ready: found.some(({ view }) => view.ready),
    checks: answered?.view.checks ?? [],
    timeZoneData: answered?.timeZoneData ?? null,
    instances: found.map(({ view }) => view),
  }
}

/** For how long one answer serves all readers, milliseconds: each costs two calls to each instance. */
const sharedMs = 1_000

function createSharedViews(options: SystemOptions): () => Promise<ServiceView[]> {
  const { clock } = options
  let views: Promise<ServiceView[]> | undefined
  let until = Number.NEGATIVE_INFINITY
  return () => {
    if (views === undefined || clock.monotonic() >= until) {
      views = Promise.all(proxiedServices.map((service) => viewOf(service, options)))
      until = clock.monotonic() + sharedMs
    }
    return views
  }
}

const loopback = /^(?:127\.|::1$|::ffff:127\.)/

/** Whether a request may read the metrics: it comes from this machine. */
export function mayReadMetrics({ socket }: FastifyRequest): boolean {
  return loopback.test(socket.remoteAddress ?? '')
}

/** `/system/services` for users, `/metrics` for callers on the same machine. */
export function mountSystem(app: HttpApp, options: SystemOptions): void {
  const views = createSharedViews(options)
  const config = { access: 'viewer', hasDialects: true } as const
  app.get('/system/services', { schema: { hide: true }, config }, async () => ({
    data: await views(),
  }))
  mountMetrics(app, options.metricsRegistry, { mayRead: mayReadMetrics })
}
