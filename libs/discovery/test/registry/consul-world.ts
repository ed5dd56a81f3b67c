import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ServiceName } from '@belfry/contracts'
import { createHealth, createLog, createMetrics, createSystemClock, type Health } from '@belfry/service'
import { uniqueName } from '@belfry/testkit'
import { type Instance, openRegistry, type Registry, type RegistryOptions } from '../../src/index.ts'
import type { RegistryWorld } from './registry.contract.ts'

/** An instance with a server that answers its readiness check. */
interface TestInstance extends Instance {
  /** What `/readyz` answers from now on. */
  setReady(isReady: boolean): void
  /** Ends the server, as a process that is killed does. */
  kill(): Promise<void>
}

interface OpenOptions extends Partial<Pick<RegistryOptions, 'key' | 'meta'>> {
  /** In place of the address of Consul. */
  readonly consul?: string
}

interface OpenedRegistry {
  readonly registry: Registry
  readonly health: Health
  /** The lines of its log. */
  readonly logged: () => Record<string, unknown>[]
  readonly metrics: () => Promise<string>
}

export interface ConsulWorld extends RegistryWorld {
  readonly prefix: string
  process(options?: OpenOptions): Promise<OpenedRegistry>
  instance(service: ServiceName): Promise<TestInstance>
}

const ended = (server: Server) =>
  new Promise<void>((closed) => {
    server.closeAllConnections()
    server.close(() => closed())
  })

/** Processes on a real Consul, with a prefix of their own. */
export function openConsulWorld(consulUrl: string): ConsulWorld {
  const prefix = uniqueName('reg')
  const ofConsul = new URL(consulUrl).host
  const opened: Registry[] = []
  const instances: Instance[] = []
  const servers: Server[] = []

  const process: ConsulWorld['process'] = async ({ consul = ofConsul, ...options } = {}) => {
    const lines: string[] = []
    const clock = createSystemClock()
    const log = createLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } })
    const health = createHealth({ clock, log })
    health.setReady(true)
    const metricsRegistry = createMetrics()
    const metrics = metricsRegistry.forService('gateway')
    const registry = await openRegistry(`consul://${consul}/${prefix}`, { clock, log, health, metrics, ...options })
    opened.push(registry)
    const logged = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    return { registry, health, logged, metrics: metricsRegistry.render }
  }

  return {
    prefix,
    process,
    open: async () => (await process()).registry,
    async instance(service) {
      let status = 200
      const server = createServer((_request, reply) => reply.writeHead(status).end('{}'))
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
      servers.push(server)
      const { port } = server.address() as AddressInfo
      const instance = { service, id: `${service}-127.0.0.1-${port}`, host: '127.0.0.1', port }
      instances.push(instance)
      const setReady = (isReady: boolean) => {
        status = isReady ? 200 : 503
      }
      return Object.defineProperties(instance as TestInstance, {
        setReady: { value: setReady },
        kill: { value: () => ended(server) },
      })
    },
    async close() {
      await Promise.all(opened.map((registry) => registry.close()))
      const deregister = ({ id }: Instance) =>
        fetch(new URL(`/v1/agent/service/deregister/${id}`, consulUrl), { method: 'PUT' })
      await Promise.all(instances.map(deregister))
      await Promise.all(servers.map(ended))
    },
  }
}
