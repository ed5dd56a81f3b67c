import { connect, type Socket } from 'node:net'

/** A client that holds a connection and is slow on it. */
export interface SlowSocket {
  readonly kind: SlowKind
  /** How it ended, milliseconds after its connection; null while it is open. */
  closedAfterMs(): number | null
  /** The status of the answer, as far as one has come. */
  status(): string | null
  /** Reads what is there, so that a close by the other side comes to be known. */
  read(): void
  close(): void
}

export const slowKinds = ['silent', 'headers', 'body', 'reader'] as const
/**
 * `silent`: sends nothing. `headers`: a request whose headers never end. `body`: a request with a token that announces a large
 * body, and sends it byte by byte. `reader`: asks for long answers, one after the other, and reads none.
 */
export type SlowKind = (typeof slowKinds)[number]

/** Between two bytes of a slow client, milliseconds: far below every limit on silence. */
const dribbleMs = 500
/** What a slow body announces, bytes: within the cap of every address. */
const announcedBytes = 200 * 1024
/** Requests that a slow reader sends on its connection. */
const unread = 50

function firstBytes(kind: SlowKind, token: string): string {
  const head = `host: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n`
  if (kind === 'headers') return `GET /jobs HTTP/1.1\r\n${head}x-slow: `
  if (kind === 'body') {
    return `POST /jobs HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: ${announcedBytes}\r\n\r\n{`
  }
  return kind === 'reader' ? `GET /openapi.json HTTP/1.1\r\n${head}\r\n`.repeat(unread) : ''
}

/** Opens a connection to the gateway and is slow on it, until one of both sides closes it. */
export function openSlowSocket(url: string, kind: SlowKind, token: string): SlowSocket {
  const { hostname, port } = new URL(url)
  const openedAt = performance.now()
  let closedAfterMs: number | null = null
  let text = ''
  const socket: Socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.once('close', () => {
    closedAfterMs = performance.now() - openedAt
    clearInterval(timer)
  })
  socket.write(firstBytes(kind, token))
  const onData = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(0, 200)
  }
  if (kind === 'reader') socket.pause()
  else socket.on('data', onData)
  const timer = setInterval(() => {
    if ((kind === 'headers' || kind === 'body') && socket.writable) socket.write(' ')
  }, dribbleMs)
  return {
    kind,
    closedAfterMs: () => closedAfterMs,
    status: () => /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? null,
    read: () => void socket.resume(),
    close: () => socket.destroy(),
  }
}
