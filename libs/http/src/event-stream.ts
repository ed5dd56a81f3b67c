import type { ServerResponse } from 'node:http'
import { type Refusal, refusal } from '@belfry/contracts'
import type { Clock, Metrics, Timer } from '@belfry/service'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { HttpApp } from './http-app.ts'
import { tokenExpiryOf } from './token-expiry.ts'

/** One event. `id` is what a client sends back as `Last-Event-ID`; `data` becomes JSON. */
interface ServerEvent {
  readonly id: string
  readonly event: string
  readonly data: unknown
}

/**
 * Why a stream ends: all is sent, the token has expired, the service stops, or what it shows cannot be read just now. A client goes
 * on with the last id unless all is sent.
 */
type EndReason = 'complete' | 'token-expired' | 'stopping' | 'unavailable'

/** An answer of the type `text/event-stream` (WHATWG HTML, server-sent events). */
export interface EventStream {
  readonly isOpen: boolean
  /** Aborted when the stream has ended, for any reason. */
  readonly closed: AbortSignal
  send(event: ServerEvent): void
  /** The id from which a client goes on although no event has it: what lies before was not for this client. */
  mark(id: string): void
  /** Resolves when the reader has room for more; a reader that takes too long is cut off, and resumes by its last id. */
  ready(): Promise<void>
  /** Ends the stream with the event `end`; its data is the reason and `more`. */
  end(reason: EndReason, more?: object): void
}

export interface EventStreamsOptions {
  readonly clock: Clock
  readonly metrics: Metrics
  /** Streams of one user, and of all together. */
  readonly perUser: number
  readonly total: number
  /** How often a comment is sent, milliseconds. */
  readonly heartbeatMs: number
  /** Bytes that may wait for the reader before the stream waits, and how long it waits at most, milliseconds. */
  readonly bufferBytes: number
  readonly stallMs: number
}

/** The streams of one service, bounded for each user and in all. */
export interface EventStreams {
  /** Begins the answer; a refusal (429) when there are too many. The request belongs to a user. */
  open(request: FastifyRequest, reply: FastifyReply): EventStream | Refusal
}

/** How soon a client should come again, milliseconds. */
const retryMs = 1_000

const tooMany = (detail: string) => refusal('too-many-requests', detail, { retryAfterS: 5 })

const eventText = ({ id, event, data }: ServerEvent) => `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`

/** Takes the answer over from Fastify: headers of hooks stay, and nothing between may store, compress or hold it back. */
function begin(reply: FastifyReply): ServerResponse {
  reply.hijack()
  const { raw } = reply
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
  raw.setHeader('content-type', 'text/event-stream; charset=utf-8')
  raw.setHeader('cache-control', 'no-cache, no-transform')
  raw.setHeader('x-accel-buffering', 'no')
  raw.statusCode = 200
  raw.write(`retry: ${retryMs}\n\n`)
  return raw
}

export function createEventStreams(app: HttpApp, options: EventStreamsOptions): EventStreams {
  const { clock, metrics, perUser, total, heartbeatMs, bufferBytes, stallMs } = options
  const counts = new Map<string, number>()
  const open = new Set<EventStream>()
  metrics.gauge('belfry_event_streams', 'Event streams that are open', [], (gauge) => gauge.set({}, open.size))
  const dropped = metrics.counter(
    'belfry_event_streams_dropped_total',
    'Event streams that were cut off because of a slow reader',
  )
  // Before the listener waits for its connections, which would never end by themselves.
  app.addHook('preClose', (done) => {
    for (const stream of [...open]) stream.end('stopping')
    done()
  })

  function createStream(raw: ServerResponse, userId: string, expiresAt: number | null): EventStream {
    const gone = new AbortController()
    const timers: Timer[] = []
    let lastId: string | null = null
    let heartbeat: Timer | undefined

    const close = () => {
      if (gone.signal.aborted) return
      gone.abort()
      heartbeat?.cancel()
      for (const timer of timers) timer.cancel()
      open.delete(stream)
      const left = (counts.get(userId) ?? 1) - 1
      if (left > 0) counts.set(userId, left)
      else counts.delete(userId)
    }
    const beat = () => {
      raw.write(lastId === null ? ': here\n\n' : `: here\nid: ${lastId}\n\n`)
      heartbeat = clock.callAfter(heartbeatMs, beat)
    }

    const stream: EventStream = {
      get isOpen() {
        return !gone.signal.aborted
      },
      closed: gone.signal,
      send(event) {
        lastId = null
        if (!gone.signal.aborted) raw.write(eventText(event))
      },
      mark(id) {
        lastId = id
      },
      ready() {
        if (gone.signal.aborted || raw.writableLength <= bufferBytes) return Promise.resolve()
        return new Promise((resolve) => {
          const stalled = clock.callAfter(stallMs, () => {
            dropped.inc()
            close()
            raw.destroy()
          })
          const goOn = () => {
            stalled.cancel()
            raw.off('drain', goOn)
            gone.signal.removeEventListener('abort', goOn)
            resolve()
          }
          raw.once('drain', goOn)
          gone.signal.addEventListener('abort', goOn, { once: true })
        })
      },
      end(reason, more = {}) {
        if (gone.signal.aborted) return
        close()
        raw.end(`event: end\ndata: ${JSON.stringify({ reason, ...more })}\n\n`)
      },
    }
    raw.once('close', close)
    open.add(stream)
    counts.set(userId, (counts.get(userId) ?? 0) + 1)
    heartbeat = clock.callAfter(heartbeatMs, beat)
    if (expiresAt !== null) timers.push(clock.callAt(expiresAt, () => stream.end('token-expired')))
    // A reader that went away while the stream was prepared closes it no more.
    if (raw.destroyed) close()
    return stream
  }

  return {
    open(request, reply) {
      const { userId } = request.caller
      if ((counts.get(userId) ?? 0) >= perUser) return tooMany(`You have ${perUser} streams open: close one first.`)
      if (open.size >= total) return tooMany('Too many streams are open.')
      return createStream(begin(reply), userId, tokenExpiryOf(request))
    },
  }
}
