import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServiceName } from '@belfry/contracts'

/** Takes a request without a connection: `routing` of a Fastify app. */
export type LocalHandler = (request: IncomingMessage, response: ServerResponse) => void

/** One running process of a service, by its advertised address. */
export interface Instance {
  readonly service: ServiceName
  /** Unique among all instances: name-host-port. */
  readonly id: string
  readonly host: string
  readonly port: number
  /** What the registry shows about it beside that, such as its job types. */
  readonly meta?: Readonly<Record<string, string>>
  /** In the process of the instance: its app. A registry of several processes does not hand it on. */
  readonly handler?: LocalHandler
}

/** The host of an instance as it stands in a URL. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host.replace('%', '%25')}]` : host
}

/**
 * The instances of each service. `pick` is synchronous over a cached view, because the proxy asks for its upstream
 * synchronously; it goes round the instances and answers undefined when there is none.
 */
export interface Registry {
  register(instance: Instance): Promise<void>
  deregister(instance: Instance): Promise<void>
  pick(service: ServiceName): Instance | undefined
  /** The instance that was registered here last, until it deregisters; undefined when there is none. */
  own(service: ServiceName): Instance | undefined
  /** The same array until the instances change. */
  instances(service: ServiceName): readonly Instance[]
  /** Calls back when the service's instances change; answers the function that ends the watch. */
  watch(service: ServiceName, onChange: (instances: readonly Instance[]) => void): () => void
  close(): Promise<void>
}
