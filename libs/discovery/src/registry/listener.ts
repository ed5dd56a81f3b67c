import type { AddressInfo } from 'node:net'
import type { ServiceName } from '@belfry/contracts'
import type { Health, Part } from '@belfry/service'
import type { Instance, Registry } from './port.ts'

/** What a service listens with: a Fastify app, of which no more than this is needed. */
export interface ListeningApp {
  readonly server: { address(): AddressInfo | string | null }
  listen(options: { host: string; port: number }): Promise<string>
  close(): PromiseLike<unknown>
}

export interface ListenerOptions {
  readonly service: ServiceName
  readonly app: ListeningApp
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
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

/** Listens, lets the others find the service, and says that it is ready; in reverse when it stops. */
export function createListener({ service, app, host, port, registry, health }: ListenerOptions): Listener {
  let instance: Instance | undefined
  let address = ''
  return {
    name: 'door',
    address: () => address,
    async start() {
      address = await app.listen({ host, port })
      const { port: taken } = app.server.address() as AddressInfo
      instance = { service, id: `${service}-${host}-${taken}`, host, port: taken }
      await registry.register(instance)
      health.setReady(true)
    },
    async stop() {
      health.setReady(false)
      if (instance) await registry.deregister(instance)
      instance = undefined
      await app.close()
    },
  }
}
