import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One call that reached the target. `at`: wall clock with fractions, milliseconds, taken before anything else. */
export interface TargetCall {
  readonly at: number
  readonly path: string
  readonly key: string
  readonly jobId: string
  readonly attempt: number
  readonly fireAt: number
}

/** A local HTTP server that keeps its own record of who called it and when. */
export interface Target {
  readonly url: string
  readonly calls: readonly TargetCall[]
  /** Resolves once `count` calls have come in all. */
  reached(count: number): Promise<void>
  close(): Promise<void>
}

/** What the target answers to a call; 200 with `{}` unless the test says otherwise. */
export type Reply = (call: TargetCall, response: ServerResponse) => void

/** The wall clock with fractions of a millisecond, tied to `Date.now()` so that the two do not drift apart. */
export function preciseNow(): number {
  const wall = Date.now()
  const fine = performance.timeOrigin + performance.now()
  return Math.abs(fine - wall) < 1.5 ? fine : wall
}

function readCall(request: IncomingMessage): TargetCall {
  const header = (name: string) => String(request.headers[name] ?? '')
  return {
    at: preciseNow(),
    path: request.url ?? '',
    key: header('idempotency-key'),
    jobId: header('x-job-id'),
    attempt: Number(header('x-job-attempt')),
    fireAt: Date.parse(header('x-job-fire-at')),
  }
}

const answerOk: Reply = (_call, response) => {
  response.setHeader('content-type', 'application/json')
  response.end('{}')
}

/** Opens a target on a free loopback port. */
export async function openTarget(reply: Reply = answerOk): Promise<Target> {
  const calls: TargetCall[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  const server = createServer((request, response) => {
    const call = readCall(request)
    calls.push(call)
    request.resume()
    reply(call, response)
    for (const waiter of waiting) if (calls.length >= waiter.count) waiter.resolve()
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    reached: (count) =>
      calls.length >= count
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting.push({ count, resolve })
          }),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
