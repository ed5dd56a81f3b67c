import type { AddressInfo } from 'node:net'
import type { ServiceName } from '@belfry/contracts'
import type { Health, Part } from '@belfry/service'
import { defaultAdvertiseHost } from './advertise.ts'
import type { Instance, LocalHandler, Registry } from './port.ts'

/** What a service listens with: a Fastify app, of which no more than this is needed. */
export interface ListeningApp {
  readonly server: { address(): AddressInfo | string | null; closeIdleConnections(): void }
  listen(options: { host: string; port: number }): Promise<string>
  close(): PromiseLike<unknown>
  /** Takes the requests of its own process, without a connection. */
  readonly routing?: LocalHandler
}

/** Where a service listens, and where others reach it. */
export interface ListenAddress {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  /**
   * The address that the registry gets: in a container others cannot reach the one that the service listens on. Default:
   * see `defaultAdvertiseHost`, and the port that the listener took.
   */
  readonly advertise?: { readonly host?: string | undefined; readonly port?: number | undefined } | undefined
  /** What the registry shows about the instance beside its address; asked for when it registers. */
  readonly meta?: () => NonNullable<Instance['meta']>
}

export interface ListenerOptions extends ListenAddress {
  readonly service: ServiceName
  readonly app: ListeningApp
  readonly registry: Registry
  readonly health: Health
}

/** The last part of a service to start, and the first to stop. */
export interface Listener extends Part {
  start(): Promise<void>
  stop(): Promise<void>
  /** Where it listens (`http://127.0.0.1:8080`); empty before `start`. */
  address(): string
}

/** How often connections that have become idle are closed during a stop, milliseconds. */
const idleSweepMs = 50

/**
 * Closes the app. Node closes the connections that are idle when the close begins; a connection with a request in flight is
 * kept alive after its answer, and holds up the close for as long as the keep-alive time-out (72 s in Fastify).
 */
async function closeApp(app: ListeningApp): Promise<void> {
  const sweep = setInterval(() => app.server.closeIdleConnections(), idleSweepMs)
  try {
    await app.close()
  } finally {
    clearInterval(sweep)
  }
}

/** The app for calls of its own process, and their end. */
function openLocal(routing: LocalHandler) {
  let inFlight = 0
  let onIdle = () => {}
  const handler: LocalHandler = (request, response) => {
    inFlight += 1
    response.once('close', () => {
      inFlight -= 1
      if (inFlight === 0) onIdle()
    })
    routing(request, response)
  }
  const idle = () =>
    new Promise<void>((resolve) => {
      onIdle = resolve
      if (inFlight === 0) resolve()
    })
  return { handler, idle }
}

/** Listens, makes the service ready and registers the advertised address; a stop goes not ready, deregisters and closes. */
export function createListener(options: ListenerOptions): Listener {
  const { service, app, host, port, advertise, meta, registry, health } = options
  let instance: Instance | undefined
  let address = ''
  const local = app.routing && openLocal(app.routing)
  return {
    name: 'listener',
    address: () => address,
    async start() {
      address = await app.listen({ host, port })
      const taken = (app.server.address() as AddressInfo).port
      const reached = { host: advertise?.host ?? defaultAdvertiseHost(host), port: advertise?.port ?? taken }
      instance = {
        service,
        id: `${service}-${reached.host}-${reached.port}`,
        ...reached,
        ...(meta && { meta: meta() }),
        ...(local && { handler: local.handler }),
      }
      // First, since a registry may show a ready service to others before its first check.
      health.setReady(true)
      await registry.register(instance)
    },
    async stop() {
      health.setReady(false)
      if (instance) await registry.deregister(instance)
      instance = undefined
      await Promise.all([closeApp(app), local?.idle()])
    },
  }
}
