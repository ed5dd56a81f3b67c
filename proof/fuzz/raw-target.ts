import { connect } from 'node:net'
import { problem } from '@belfry/contracts'
import { createRandom, type Random } from '../random.ts'
import type { FuzzTarget } from './campaign.ts'
import { strangeTexts } from './mutations.ts'
import type { System } from './system.ts'

/** What is written to a socket, each text in a write of its own; a character is a byte. */
export interface RawInput {
  readonly target: number
  readonly writes: readonly string[]
}

/** How long a connection may stay open after its last byte, milliseconds: the services wait for the rest of a request. */
const patienceMs = 1_000

const body = '{"jobType":"DUMMY"}'
const hex = body.length.toString(16)
const chunkedHead = 'transfer-encoding: chunked\r\n'
/** Bodies in chunks that are not as RFC 9112, 7.1, has them, and lengths that contradict. */
const bodies: readonly string[] = [
  `${chunkedHead}\r\n${hex}\r\n${body}\r\n0\r\n\r\n`,
  `${chunkedHead}\r\n${hex};a="b;c"\r\n${body}\r\n0\r\nx-trailer: y\r\n\r\n`,
  `${chunkedHead}\r\n${hex}\n${body}\n0\n\n`,
  `${chunkedHead}\r\nzz\r\n${body}\r\n0\r\n\r\n`,
  `${chunkedHead}\r\n-1\r\n${body}\r\n0\r\n\r\n`,
  `${chunkedHead}\r\nffffffffffffffffff\r\n${body}`,
  `${chunkedHead}\r\n0x${hex}\r\n${body}\r\n0\r\n\r\n`,
  `${chunkedHead}content-length: 3\r\n\r\n${hex}\r\n${body}\r\n0\r\n\r\n`,
  `transfer-encoding: gzip, chunked\r\n\r\n${hex}\r\n${body}\r\n0\r\n\r\n`,
  `transfer-encoding: identity\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  `content-length: ${body.length}\r\ncontent-length: 5\r\n\r\n${body}`,
  `content-length: -1\r\n\r\n${body}`,
  `content-length: 99999999999999999999\r\n\r\n${body}`,
  `content-length: +${body.length}\r\n\r\n${body}`,
  `content-length: 1\r\n\r\n${body}GET /jobs HTTP/1.1\r\n\r\n`,
  `expect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  `expect: nothing\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  `upgrade: websocket\r\nconnection: upgrade\r\n\r\n`,
  `content-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  '\r\n',
]
const lines = [
  'POST /jobs HTTP/1.1',
  'GET /jobs HTTP/1.1',
  'GET / HTTP/1.0',
  'GET /',
  'FOO /jobs HTTP/1.1',
  'post /jobs HTTP/1.1',
  'POST  /jobs  HTTP/1.1',
  'POST /jobs HTTP/9.9',
  'POST http://127.0.0.1/jobs HTTP/1.1',
  'CONNECT 127.0.0.1:1 HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'TRACE / HTTP/1.1',
  'PRI * HTTP/2.0',
  'GET /\xff\xfe HTTP/1.1',
  'GET /jobs/%ff HTTP/1.1',
  'GET //// HTTP/1.1',
  'GET /jobs?a=\x00 HTTP/1.1',
] as const

function headerLine(random: Random): string {
  const bytes = () =>
    Array.from({ length: random.between(0, 20) }, () => String.fromCharCode(random.between(0, 255))).join('')
  const kind = random.between(0, 7)
  if (kind === 0) return `x-odd: ${bytes()}\r\n`
  if (kind === 1) return `${bytes()}: y\r\n`
  if (kind === 2) return ` folded: x\r\n  more\r\n`
  if (kind === 3) return `x-long: ${'a'.repeat(random.oneOf([100, 8_000, 20_000, 70_000]))}\r\n`
  if (kind === 4) return Array.from({ length: random.oneOf([10, 200, 3000]) }, (_, at) => `x-${at}: 1\r\n`).join('')
  if (kind === 5)
    return `${random.oneOf(['__proto__', 'constructor', 'host', 'connection', 'authorization', 'te', 'x-user-id'])}: ${random.oneOf(strangeTexts).replace(/[^\x20-\x7e]/g, '?')}\r\n`
  if (kind === 6) return `x-no-colon\r\n`
  return `cookie: ${'a=b; '.repeat(random.between(1, 400))}\r\n`
}

function read(target: string, { writes }: RawInput): Promise<string> {
  const { hostname, port } = new URL(target)
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(Number(port), hostname)
    const timer = setTimeout(() => socket.destroy(), patienceMs)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      text = (text + bytes.toString('latin1')).slice(0, 200_000)
    })
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(text)
    })
    for (const one of writes) socket.write(Buffer.from(one, 'latin1'))
    socket.end()
  })
}

/** Bytes on sockets that no HTTP client sends. */
export function createRawTarget({ url, direct, callers }: System): FuzzTarget<RawInput> {
  const targets = [url, ...direct]
  return {
    name: 'sockets',
    callers: 16,
    draw(seed) {
      const random = createRandom(seed)
      const host = random.fraction() < 0.9 ? 'host: 127.0.0.1\r\n' : ''
      const token = random.fraction() < 0.7 ? `authorization: Bearer ${callers[0]?.token}\r\n` : ''
      const type = 'content-type: application/json\r\n'
      const more = random.fraction() < 0.6 ? headerLine(random) : ''
      const text = `${random.oneOf(lines)}\r\n${host}${token}${type}${more}${random.oneOf(bodies)}`
      const at = random.fraction() < 0.3 ? random.between(0, text.length) : text.length
      const writes = random.fraction() < 0.2 ? [text.slice(0, at)] : [text.slice(0, at), text.slice(at)]
      return { target: random.between(0, targets.length - 1), writes }
    },
    async run(input) {
      const text = await read(targets[input.target] ?? url, input)
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)
      if (status >= 500 && status !== 501 && status !== 503 && status !== 505)
        return `status ${status}: ${text.slice(0, 300)}`
      if (status < 400) return undefined
      if (!/\r\ncontent-type: application\/problem\+json/i.test(text)) return `no problem: ${text.slice(0, 300)}`
      const json = /\{.*?\}(?=\r?\n|HTTP\/1|$)/s.exec(text.slice(text.indexOf('\r\n\r\n')))?.[0] ?? ''
      return problem.safeParse(JSON.parse(json)).success ? undefined : `no problem: ${json.slice(0, 300)}`
    },
  }
}
