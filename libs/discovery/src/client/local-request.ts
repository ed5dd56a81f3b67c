import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { TransportRequest } from './transport.ts'

/** What a service sees of the connection: the other end is this machine. */
const localSocket = Object.freeze({
  remoteAddress: '127.0.0.1',
  remoteFamily: 'IPv4',
  remotePort: 0,
  localAddress: '127.0.0.1',
  encrypted: false,
  destroyed: false,
  writable: true,
})

/** Headers as node:http gives them: in lower case, without those that have no value. */
function headersOf({ headers, body, method }: TransportRequest, host: string): Record<string, string | string[]> {
  const taken: Record<string, string | string[]> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) taken[name] = value
  }
  taken.host = host
  const isSized = taken['content-length'] !== undefined
  if (typeof body === 'string' || Buffer.isBuffer(body)) taken['content-length'] = String(Buffer.byteLength(body))
  else if (body !== null && !isSized && method !== 'GET' && method !== 'HEAD') taken['transfer-encoding'] = 'chunked'
  return taken
}

/** The request as the service of the same process gets it: what an `IncomingMessage` has for a Fastify app. */
export class LocalRequest extends Readable {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string | string[]>
  readonly httpVersion = '1.1'
  readonly httpVersionMajor = 1
  readonly httpVersionMinor = 1
  readonly socket = localSocket
  /** The body has come to its end. */
  complete = false
  /** The caller has gone away before the answer. */
  aborted = false
  readonly #upload: Readable | null

  constructor(request: TransportRequest, host: string) {
    super({ autoDestroy: false })
    this.method = request.method
    this.url = request.path
    this.headers = headersOf(request, host)
    const { body } = request
    const isWhole = typeof body === 'string' || Buffer.isBuffer(body)
    this.#upload = isWhole ? null : body
    if (this.#upload) this.#follow(this.#upload)
    else {
      if (isWhole && body.length > 0) this.push(body)
      this.#end()
    }
  }

  /** By name and value in turn, as node:http has them. */
  get rawHeaders(): string[] {
    return Object.entries(this.headers).flatMap(([name, value]) => [name, String(value)])
  }

  get connection(): typeof localSocket {
    return this.socket
  }

  setTimeout(): this {
    return this
  }

  #end(): void {
    this.complete = true
    this.push(null)
  }

  #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#upload?.pause()
  }
  #onEnd = (): void => this.#end()
  #onClose = (): void => {
    if (!this.complete) this.abort(new Error('aborted'))
  }

  #follow(upload: Readable): void {
    if (upload.readableEnded) {
      this.#end()
      return
    }
    if (upload.destroyed) {
      // Its sender went away before: no event of it comes any more.
      process.nextTick(this.#onClose)
      return
    }
    upload.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose)
    // Nothing is read before the service asks for it.
    upload.pause()
  }

  /** The rest of the body is thrown away: its sender may write all of it before it reads the answer. */
  #release(): void {
    const upload = this.#upload
    if (!upload) return
    upload.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    if (!upload.readableEnded && !upload.destroyed) upload.resume()
  }

  override _read(): void {
    this.#upload?.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#release()
    callback(error)
  }

  /** The caller has gone: what still reads the body fails, and `close` follows. */
  abort(error: Error): void {
    if (this.destroyed) return
    this.aborted = true
    this.emit('aborted')
    this.destroy(this.listenerCount('error') > 0 ? Object.assign(error, { code: 'ECONNRESET' }) : undefined)
  }

  asIncoming(): IncomingMessage {
    return this as unknown as IncomingMessage
  }
}
