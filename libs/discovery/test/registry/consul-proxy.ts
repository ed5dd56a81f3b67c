import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

/** `pass`: as Consul answers · `error`: 500 as without a leader · `hang`: no answer · `refuse`: the connection is closed ·
 * `slow`: as Consul answers, 2.5 s later. */
export type ProxyMode = 'pass' | 'error' | 'hang' | 'refuse' | 'slow'

export interface ConsulProxy {
  /** `host:port`. */
  readonly host: string
  /** For all calls from now on; calls at work are cut off, as when the server ends. */
  set(mode: ProxyMode): void
  /** Calls that came in since the last `set`. */
  calls(): number
}

/** Stands before the Consul that all tests share, which no test may stop. */
export async function openConsulProxy(consulUrl: string): Promise<ConsulProxy> {
  const { hostname, port } = new URL(consulUrl)
  let mode: ProxyMode = 'pass'
  let calls = 0

  const pass = (incoming: IncomingMessage, outgoing: ServerResponse, delayMs: number) => {
    const { url: path, method, headers } = incoming
    const upstream = request({ hostname, port, path, method, headers }, async (answer) => {
      if (delayMs > 0) await wait(delayMs)
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.on('error', () => outgoing.destroy())
      answer.pipe(outgoing)
    })
    upstream.on('error', () => outgoing.destroy())
    // A slow server goes on with what it was asked when the client has gone.
    if (delayMs === 0) outgoing.on('close', () => upstream.destroy())
    incoming.pipe(upstream)
  }

  const server = createServer((incoming, outgoing) => {
    calls += 1
    if (mode === 'pass') pass(incoming, outgoing, 0)
    else if (mode === 'error') outgoing.writeHead(500, { 'content-type': 'text/plain' }).end('No cluster leader')
    else if (mode === 'slow') pass(incoming, outgoing, 2_500)
    else if (mode === 'refuse') incoming.socket.destroy()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    set(next) {
      mode = next
      calls = 0
      server.closeAllConnections()
    },
    calls: () => calls,
  }
}
