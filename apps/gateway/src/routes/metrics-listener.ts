import { once } from 'node:events'
import { createServer } from 'node:http'
import type { MetricsRegistry, Part } from '@belfry/service'

/**
 * `/metrics` on a port of its own: clients reach the gateway's port, often through an address of the same network as
 * Prometheus, so that no address tells them apart.
 */
export function createMetricsListener(host: string, port: number, { render, contentType }: MetricsRegistry): Part {
  const server = createServer(async (request, reply) => {
    if (request.method !== 'GET' || request.url?.split('?', 1)[0] !== '/metrics') {
      reply.writeHead(404).end()
      return
    }
    try {
      const text = await render()
      reply.writeHead(200, { 'content-type': contentType }).end(text)
    } catch {
      reply.writeHead(500).end()
    }
  })
  return {
    name: 'metrics',
    async start() {
      server.listen(port, host)
      await once(server, 'listening')
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
