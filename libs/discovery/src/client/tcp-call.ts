import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Answered, TransportResponse } from './transport.ts'
import { declaredBytes, wholeBodyBytes } from './upstream-body.ts'

/** The body of an answer. Destroying it before its end closes the connection, by which the service sees that its reader has gone. */
class TcpBody extends Readable {
  /** The whole body where it came with the head. */
  readonly whole: Buffer | null
  readonly #call: TcpCall

  constructor(call: TcpCall, whole: Buffer | null) {
    super()
    this.#call = call
    this.whole = whole
  }

  override _read(): void {
    if (this.whole) {
      this.push(this.whole)
      this.push(null)
    } else this.#call.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#call.abort()
    callback(error)
  }
}

const statusesWithoutBody = new Set([204, 304])

/**
 * One call over a connection of undici, as `dispatch` reports it. An answer of a known small length that has come in one piece with
 * its head is handed on whole: a stream for it costs 15 µs. Nothing waits for that: what has not come by the end of the turn
 * is a stream.
 */
export class TcpCall implements Dispatcher.DispatchHandler {
  readonly #method: string
  readonly #answered: Answered
  #controller: Dispatcher.DispatchController | null = null
  #head: Pick<TransportResponse, 'statusCode' | 'headers'> | null = null
  #pieces: Buffer[] = []
  #body: TcpBody | null = null
  #isAborted = false
  #isOver = false

  constructor(method: string, answered: Answered) {
    this.#method = method
    this.#answered = answered
  }

  /** Gives the call up, whether it has begun or not. After its end it does nothing. */
  abort(): void {
    if (this.#isOver || this.#isAborted) return
    this.#isAborted = true
    this.#controller?.abort(new Error('aborted'))
  }

  resume(): void {
    this.#controller?.resume()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isAborted) controller.abort(new Error('aborted'))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: TransportResponse['headers'],
  ): void {
    // An interim answer (RFC 9110, 15.2).
    if (statusCode < 200) return
    this.#head = { statusCode, headers }
    const bytes = declaredBytes(headers)
    const isSmall = bytes > 0 && bytes <= wholeBodyBytes
    if (!isSmall || this.#method === 'HEAD' || statusesWithoutBody.has(statusCode)) this.#answer(null)
    else process.nextTick(answerAsStream, this)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#body) this.#pieces.push(chunk)
    else if (!this.#body.push(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    this.#isOver = true
    if (this.#body) this.#body.push(null)
    else this.#answer(this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces))
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#isOver = true
    if (this.#body) this.#body.destroy(error)
    // Not in the turn of the caller: what is wrong with a request shows at once.
    else process.nextTick(this.#answered, error)
  }

  #answer(whole: Buffer | null): void {
    const head = this.#head as Pick<TransportResponse, 'statusCode' | 'headers'>
    this.#body = new TcpBody(this, whole)
    this.#answered(null, { ...head, body: this.#body })
  }

  /** The rest of a small answer has not come with its head. */
  answerAsStream(): void {
    if (this.#body || this.#isOver) return
    this.#answer(null)
    for (const piece of this.#pieces) (this.#body as TcpBody | null)?.push(piece)
    this.#pieces = []
  }
}

function answerAsStream(call: TcpCall): void {
  call.answerAsStream()
}
