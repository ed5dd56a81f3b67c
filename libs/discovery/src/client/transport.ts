import type { Readable } from 'node:stream'
import { type Dispatcher, Pool } from 'undici'
import { type Instance, urlHost } from '../registry/port.ts'
import { TcpCall } from './tcp-call.ts'

/** An answer whose body is not read yet. An unused body is dumped, never destroyed. */
export type TransportResponse = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'> & {
  readonly body: Readable & {
    /** The whole body where it is here already: it need not be read as a stream. */
    readonly whole?: Buffer | string | null
  }
}

/** One call as it goes out. */
export interface TransportRequest {
  readonly path: string
  readonly method: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** A stream belongs to the caller, who still needs its connection: it is read, or thrown away, but never destroyed. */
  readonly body: string | Buffer | Readable | null
}

/** Takes an error of undici's kinds, or an answer. */
export type Answered = (error: Error | null, response?: TransportResponse) => void

/** A call on its way. */
export interface TransportCall {
  /** Gives the call up. What comes of it is still reported. */
  abort(): void
}

/** How calls get to one instance. */
export interface Transport {
  /** Calls back once, in a later turn. */
  request(request: TransportRequest, answered: Answered): TransportCall
  /** Closes idle connections; calls in flight may end. */
  close(): void
}

/** A body without progress for this long is given up, milliseconds. */
const bodyIdleMs = 60_000

function ignore(): void {}

/**
 * undici destroys a stream that it could not send to its end. This one is a client's request, whose connection still has to
 * carry the answer (the service is away, or answers 413 before the end), so undici gets an iterator that does not destroy
 * it. The rest of the body is read and thrown away: a client that writes all of its body before it reads would never read
 * the answer.
 */
async function* lend(upload: Readable): AsyncGenerator<unknown> {
  try {
    yield* upload.iterator({ destroyOnReturn: false })
  } finally {
    upload.resume()
  }
}

/** Connections over TCP. */
export function createTcpTransport({ host, port }: Pick<Instance, 'host' | 'port'>, connectMs: number): Transport {
  const pool = new Pool(`http://${urlHost(host)}:${port}`, {
    connectTimeout: connectMs,
    headersTimeout: 0,
    bodyTimeout: bodyIdleMs,
  })
  return {
    request({ path, method, headers, body }, answered) {
      const call = new TcpCall(method, answered)
      const sent = typeof body === 'object' && body !== null && !Buffer.isBuffer(body) ? lend(body) : body
      pool.dispatch({ path, method, headers, body: sent } as Dispatcher.DispatchOptions, call)
      return call
    },
    close: () => void pool.close().catch(ignore),
  }
}
