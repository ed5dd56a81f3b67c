import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { ClientClock } from '../src/index.ts'

/** What the server saw of one request. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

/** What it answers: JSON unless `text` is given; `isCut`: the connection is destroyed after the text. */
export interface Scripted {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly text?: string
  readonly isCut?: boolean
}

export const problem = (status: number, code: string, more: object = {}): Scripted => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: {
    type: `/problems/${code}`,
    title: code,
    status,
    detail: `It is ${code}.`,
    code,
    requestId: 'r',
    retryable: false,
    ...more,
  },
})

/** A server on loopback that answers by a function, and a clock on which waits take no time and are written down. */
export async function openWorld(answer: (seen: Seen, nth: number) => Scripted | undefined) {
  const seen: Seen[] = []
  const server = createServer(async (request, reply) => {
    const text = Buffer.concat(await request.toArray()).toString()
    const { method = '', url = '', headers } = request
    const one = { method, url, headers, body: text === '' ? undefined : JSON.parse(text) }
    const scripted = answer(one, seen.push(one))
    if (scripted === undefined) return request.socket.destroy()
    const { status = 200, headers: more = {}, body, text: given, isCut } = scripted
    reply.writeHead(status, { 'content-type': 'application/json', ...more })
    if (!isCut) return reply.end(given ?? JSON.stringify(body))
    reply.write(given, () => request.socket.destroy())
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  const waits: number[] = []
  let now = Date.UTC(2026, 0, 1)
  const clock: ClientClock = {
    now: () => now,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      waits.push(ms)
      now += ms
    },
  }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const advance = (ms: number) => {
    now += ms
  }
  return { seen, waits, clock, url, advance }
}
