import type { ServiceName } from '@belfry/contracts'
import { createListener, type ListenAddress } from '@belfry/discovery'
import { type HttpApp, mountMetrics } from '@belfry/http'
import { createLifecycle, type Part } from '@belfry/service'
import type { ServiceShellDeps } from './deps.ts'

/** A service as its process sees it. */
export interface ServiceShell {
  readonly app: HttpApp
  /** Starts the parts in order, then listens and registers; answers the address (`http://127.0.0.1:8080`). */
  start(): Promise<string>
  /** Deregisters and closes the listener, then stops the parts in reverse. May be called twice. */
  stop(): Promise<void>
}

export interface ServiceShellOptions {
  readonly service: ServiceName
  readonly deps: Pick<
    ServiceShellDeps<unknown, unknown>,
    'health' | 'registry' | 'advertise' | 'balancer' | 'metricsRegistry'
  >
  readonly app: HttpApp
  readonly listen: ListenAddress
  /** The readiness check of the store: its public name, and a read that rejects when the store does not answer. */
  readonly store?: { readonly name: string; readonly read: () => Promise<unknown> }
  /** In order of start. Each is stopped before those that stand before it. */
  readonly parts: readonly Part[]
}

/** A store that does not answer for less than this leaves the service ready: each call says for itself what it could not store. */
const storeToleratedMs = 10_000

/**
 * What a process shows of itself. Services are reached by other services only; the gateway, which is not, shows its metrics
 * itself and has no internal routes.
 */
function mountProcess(app: HttpApp, { balancer, metricsRegistry }: ServiceShellOptions['deps']): void {
  if (metricsRegistry) mountMetrics(app, metricsRegistry)
  if (!balancer) return
  const route = { schema: { hide: true }, config: { access: 'service' } } as const
  app.get('/internal/breakers', route, () => ({ data: balancer.breakers() }))
}

/** What the services have in common once they are wired: readiness of the store, the listener, start and stop. */
export function createServiceShell({ service, deps, app, listen, store, parts }: ServiceShellOptions): ServiceShell {
  const { health, registry, advertise } = deps
  if (service !== 'gateway') mountProcess(app, deps)
  if (store) health.add(store.name, async () => void (await store.read()), { toleratedMs: storeToleratedMs })
  const listener = createListener({ service, app, ...listen, advertise, registry, health })
  const lifecycle = createLifecycle([...parts, listener])
  return {
    app,
    async start() {
      await lifecycle.start()
      return listener.address()
    },
    stop: lifecycle.stop,
  }
}
