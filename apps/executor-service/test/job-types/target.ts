import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

export interface Target {
  port: number
  /** `http://127.0.0.1:<port>` */
  url: string
  /** Calls in the order in which they came, each with its whole body. */
  seen: Seen[]
  /** Connections that were ever opened. */
  connections(): number
  close(): Promise<void>
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** A real server on a loopback port of its own choice. `answer` is called once the request has been read. */
export async function startTarget(answer: RequestListener, host = '127.0.0.1'): Promise<Target> {
  const seen: Seen[] = []
  let connections = 0
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request)
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
    answer(request, response)
  })
  server.on('connection', () => connections++)
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    seen,
    connections: () => connections,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
