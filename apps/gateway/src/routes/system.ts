import { type ServiceName, serviceNames } from '@belfry/contracts'
import { type Balancer, breakerStates, type Instance, type Registry, type RestClient } from '@belfry/discovery'
import { type HttpApp, mountMetrics } from '@belfry/http'
import type { Clock, MetricsRegistry } from '@belfry/service'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { proxiedServices } from '../proxy/route-table.ts'

const check = z
  .object({
    name: z.string().describe('What is checked, such as `store`, `bus` or `token keys`.'),
    ok: z.boolean().describe('Whether it works.'),
    latencyMs: z.number().describe('How long the newest check took, milliseconds.'),
    since: z.iso.datetime().describe('Since when `ok` has its value.'),
    note: z.string().optional().describe('What the check reports: an error, or a fact such as an address.'),
  })
  .meta({ id: 'HealthCheck', description: 'One dependency of an instance, as the instance checks it.' })

const serviceName = z.enum(serviceNames).describe('The name of a service.')
const breakerState = z
  .enum(breakerStates)
  .describe('`closed`: calls go through. `open`: none is sent for a while. `half-open`: one is sent as a test.')

const breakerView = z
  .object({
    service: serviceName,
    target: z.string().describe('The id of the instance that is called.'),
    state: breakerState,
    inFlight: z.number().int().describe('Calls that wait for its answer just now.'),
  })
  .meta({ id: 'Breaker', description: 'How the calls of one instance to another one fare.' })

const instanceView = z
  .object({
    id: z.string().describe('The id of the instance.'),
    ready: z.boolean().describe('Whether it takes calls; false, without checks, when it could not be reached.'),
    checks: z.array(check).describe('The checks of its dependencies.'),
    breaker: breakerState.describe('The breaker of the gateway that answers: how its own calls to the instance fare.'),
    inFlight: z.number().int().describe('Calls of this gateway that wait for an answer of the instance just now.'),
    calls: z.array(breakerView).describe('The breakers of the instance: how its calls to other services fare.'),
  })
  .meta({ id: 'ServiceInstance', description: 'One process, or one part of a process, that runs a service.' })

const serviceView = z
  .object({
    service: serviceName,
    ready: z.boolean().describe('Whether at least one instance is ready.'),
    checks: z
      .array(check)
      .describe('The checks of the first instance that answered; empty when none could be reached.'),
    timeZoneData: z
      .string()
      .nullable()
      .describe('Version of the time zone data in use there, such as `2026c`; null when no instance could be reached.'),
    instances: z.array(instanceView).describe('Every instance that is registered.'),
  })
  .meta({ id: 'Service', description: 'One service and its instances.' })
type ServiceView = z.output<typeof serviceView>
type InstanceView = z.output<typeof instanceView>

const servicesReply = z
  .object({ data: z.array(serviceView).describe('Every service behind the gateway.') })
  .meta({ id: 'ServiceList', description: 'The services of this Belfry.' })

const schema = {
  operationId: 'listServices',
  tags: ['system'],
  summary: 'The services: instances, health, breakers, and the version of the time zone data',
  description:
    'The state of every service as this gateway sees it. One answer serves all readers of a second; an instance that cannot be reached is listed as not ready.',
  response: { 200: servicesReply },
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

/** Headers that a reverse proxy adds: what it passes on may come from anywhere, although the proxy is on this machine. */
const ofProxies = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']

/** Whether a request may read the metrics: it comes from this machine, and no reverse proxy passed it on. */
export function mayReadMetrics({ socket, headers }: FastifyRequest): boolean {
  return loopback.test(socket.remoteAddress ?? '') && ofProxies.every((name) => headers[name] === undefined)
}

/** `/system/services` for users, `/metrics` for callers on the same machine. */
export function mountSystem(app: HttpApp, options: SystemOptions): void {
  const views = createSharedViews(options)
  app.get('/system/services', { schema, config: { access: 'viewer' } }, async () => ({
    data: await views(),
  }))
  mountMetrics(app, options.metricsRegistry, { mayRead: mayReadMetrics })
}
