import { NoAnswerError } from './problem-error.ts'
import type { Transport } from './transport.ts'
import { type ClientClock, delayBefore, type RetryOptions } from './waits.ts'

/** One event of a stream. `id` is where a stream goes on that begins with it. */
export interface StreamEvent<T = unknown> {
  readonly id: string | null
  readonly event: string
  readonly data: T
}

interface Block {
  readonly id: string | undefined
  readonly event: string
  readonly data: string
  readonly retryMs: number | undefined
}

/** The fields of one block of a stream (WHATWG HTML, "server-sent events"). */
function readBlock(text: string): Block {
  const fields: Record<string, string> = {}
  const data: string[] = []
  for (const line of text.split(/\r\n|\r|\n/)) {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? []
    if (name === 'data') data.push(value)
    else if (name !== '') fields[name] = value
  }
  const { id, event = 'message', retry = '' } = fields
  return { id, event, data: data.join('\n'), retryMs: /^\d{1,7}$/.test(retry) ? Number(retry) : undefined }
}

/** The blocks of a body, each when its empty line has come. One that is cut off is dropped. */
async function* blocksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Block> {
  let waiting = ''
  const decoder = new TextDecoder()
  for await (const bytes of body) {
    waiting += decoder.decode(bytes, { stream: true })
    const blocks = waiting.split(/\r\n\r\n|\n\n|\r\r/)
    waiting = blocks.pop() ?? ''
    for (const block of blocks) yield readBlock(block)
  }
}

export interface StreamOptions {
  /** The id of the last event that is known. Default: the stream begins where Belfry lets it begin. */
  readonly lastEventId?: string
  readonly signal?: AbortSignal
}

export interface StreamDeps {
  readonly transport: Transport
  readonly clock: ClientClock
  readonly retry: RetryOptions
}

/** The event with which Belfry ends a stream on its own; with another reason than this the stream goes on. */
const complete = 'complete'

function endReason(data: string): string {
  try {
    return String((JSON.parse(data) as { reason?: unknown }).reason ?? complete)
  } catch {
    return complete
  }
}

/**
 * The events of an address, over any number of connections: after a break it goes on behind the last event. Ends when Belfry says
 * that all is sent. Rejects with the refusal of a connection, or after `maxRetries` connections in a row without an event.
 */
export async function* followStream<T>(
  { transport, clock, retry }: StreamDeps,
  path: string,
  { lastEventId, signal }: StreamOptions = {},
): AsyncGenerator<StreamEvent<T>> {
  let last = lastEventId
  let retryMs: number | undefined
  for (let barren = 0; barren <= retry.maxRetries; barren++) {
    if (barren > 0) await clock.sleep(retryMs ?? delayBefore(barren, retry), signal)
    const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) }
    const response = await transport.send({ method: 'GET', path, headers, isRepeatable: true, signal })
    try {
      for await (const block of blocksOf(response.body as ReadableStream<Uint8Array>)) {
        if (block.id !== undefined) last = block.id
        retryMs = block.retryMs ?? retryMs
        if (block.data === '') continue
        if (block.event === 'end') {
          if (endReason(block.data) === complete) return
          continue
        }
        yield { id: last ?? null, event: block.event, data: JSON.parse(block.data) as T }
        barren = 0
      }
    } catch (error) {
      if (signal?.aborted || !(error instanceof TypeError)) throw error
    }
  }
  throw new NoAnswerError(`the stream ${path} broke off ${retry.maxRetries + 1} times in a row without an event`)
}
