import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Readable, Writable } from 'node:stream'
import type { LocalRequest } from './local-request.ts'
import type { TransportResponse } from './transport.ts'

type HeaderValue = number | string | readonly string[]
type Callback = (error?: Error | null) => void

/** The body of an answer as its caller reads it. Destroying it tells the service that its reader has gone. */
class LocalBody extends Readable {
  /** The whole body where the service has written it in one piece. */
  whole: Buffer | string | null = null
  onRead: () => void = () => {}
  onGone: () => void = () => {}

  override _read(): void {
    if (this.whole === null) this.onRead()
    else {
      // Nearly no caller reads a whole body as a stream, so it becomes one here only.
      this.push(this.whole)
      this.push(null)
    }
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.onGone()
    callback(error)
  }
}

const statusesWithoutBody = new Set([204, 304])

/** The answer as the service of the same process writes it: what a `ServerResponse` has for a Fastify app. */
export class LocalResponse extends Writable {
  statusCode = 200
  statusMessage = ''
  headersSent = false
  sendDate = false
  readonly req: LocalRequest
  readonly socket: LocalRequest['socket']
  readonly #headers: Record<string, HeaderValue> = {}
  readonly #body = new LocalBody()
  readonly #onHead: (response: TransportResponse) => void
  #room: Callback | null = null

  constructor(req: LocalRequest, onHead: (response: TransportResponse) => void) {
    super({ decodeStrings: false })
    this.req = req
    this.socket = req.socket
    this.#onHead = onHead
    this.#body.onRead = () => {
      const room = this.#room
      this.#room = null
      room?.()
    }
    this.#body.onGone = () => {
      if (this.#body.readableEnded || this.writableFinished || this.destroyed) return
      this.req.abort(new Error('aborted'))
      this.destroy()
    }
  }

  get finished(): boolean {
    return this.writableEnded
  }
  get connection(): LocalRequest['socket'] {
    return this.socket
  }

  setHeader(name: string, value: HeaderValue): this {
    this.#headers[name.toLowerCase()] = value
    return this
  }
  getHeader(name: string): HeaderValue | undefined {
    return this.#headers[name.toLowerCase()]
  }
  getHeaders(): Record<string, HeaderValue> {
    return { ...this.#headers }
  }
  getHeaderNames(): string[] {
    return Object.keys(this.#headers)
  }
  hasHeader(name: string): boolean {
    return this.#headers[name.toLowerCase()] !== undefined
  }
  removeHeader(name: string): void {
    delete this.#headers[name.toLowerCase()]
  }
  setTimeout(): this {
    return this
  }
  writeContinue(): void {}
  writeEarlyHints(): void {}

  writeHead(statusCode: number, reasonOrHeaders?: string | OutgoingHttpHeaders, headers?: OutgoingHttpHeaders): this {
    this.statusCode = statusCode
    const given = typeof reasonOrHeaders === 'object' ? reasonOrHeaders : headers
    for (const name in given) if (given[name] !== undefined) this.setHeader(name, given[name] as HeaderValue)
    return this
  }

  flushHeaders(): void {
    this.#sendHead()
  }

  #sendHead(): void {
    if (this.headersSent) return
    this.headersSent = true
    const headers: Record<string, string | string[]> = {}
    for (const name in this.#headers) {
      const value = this.#headers[name] as HeaderValue
      headers[name] = typeof value === 'object' ? [...value] : String(value)
    }
    this.#onHead({ statusCode: this.statusCode, headers, body: this.#body })
  }

  #mayHaveBody(): boolean {
    return this.req.method !== 'HEAD' && !statusesWithoutBody.has(this.statusCode)
  }

  #push(chunk: Buffer | string): boolean {
    if (!this.#mayHaveBody()) return true
    return this.#body.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  }

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, callback: Callback): void {
    this.#sendHead()
    if (this.#push(chunk)) callback()
    else this.#room = callback
  }

  override _final(callback: Callback): void {
    this.#sendHead()
    if (this.#body.whole === null) this.#body.push(null)
    callback()
  }

  override _destroy(error: Error | null, callback: Callback): void {
    const room = this.#room
    this.#room = null
    room?.(error)
    // An answer that breaks off must not look as if it had ended.
    if (!this.writableFinished && this.headersSent) this.#body.destroy(new Error('the service broke off its answer'))
    callback(error)
  }

  /** Most answers are one piece: it is at hand when the head is, and passes neither of the two streams. */
  override end(...args: unknown[]): this {
    const [chunk] = args
    const isWhole =
      this.writableLength === 0 && !this.headersSent && (typeof chunk === 'string' || Buffer.isBuffer(chunk))
    const callback = args.find((one) => typeof one === 'function') as Callback | undefined
    if (isWhole && chunk.length > 0 && this.#mayHaveBody()) {
      this.#body.whole = chunk
      super.end(callback)
    } else if (chunk === null || chunk === undefined || typeof chunk === 'function') super.end(callback)
    else super.end(chunk, callback)
    return this
  }

  asServerResponse(): ServerResponse {
    return this as unknown as ServerResponse
  }
}
