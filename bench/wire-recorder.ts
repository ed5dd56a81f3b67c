import { renameSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { isMainThread } from 'node:worker_threads'

/**
 * Loaded into a service's process before its own code (`node --import`). It counts what the process sends to MongoDB and
 * Kafka, by command, and how long each answer takes as the process sees it. On SIGUSR2 it writes the sums to
 * `WIRE_RECORD/<pid>.json`. It reads the first bytes of each request and the header of each answer, and changes nothing.
 */

/** Sums over the calls of one kind since the process began. */
export interface WireSum {
  count: number
  /** From the write of the request to the arrival of the answer's header. */
  waitMs: number
  /** Of requests. */
  bytes: number
}
/** By `mongo <command> <collection>` or `kafka <request>`. */
export type WireSums = Record<string, WireSum>
export interface WireRecord {
  readonly turn: number
  readonly sums: WireSums
  /** Milliseconds that the event loop was busy since the process began. */
  readonly loopMs: number
}

interface Protocol {
  readonly headerBytes: number
  /** Of the whole frame, from its header. */
  readonly frameBytes: (header: Buffer) => number
  /** What the answer is to. */
  readonly answerTo: (header: Buffer) => number
  readonly request: (data: Buffer) => { id: number; kind: string } | null
}

const opMsg = 2013

const mongo: Protocol = {
  headerBytes: 16,
  frameBytes: (header) => header.readInt32LE(0),
  answerTo: (header) => header.readInt32LE(8),
  request(data) {
    if (data.length < 32 || data.readInt32LE(12) !== opMsg || data[20] !== 0) return null
    // The first field of the command is its name; its value is the collection where that is a text.
    const end = data.indexOf(0, 26)
    const isText = data[25] === 2
    const collection = isText ? ` ${data.toString('utf8', end + 5, end + 4 + data.readInt32LE(end + 1))}` : ''
    return { id: data.readInt32LE(4), kind: `mongo ${data.toString('utf8', 26, end)}${collection}` }
  },
}

const kafkaRequests: Record<number, string> = {
  0: 'produce',
  1: 'fetch',
  3: 'metadata',
  8: 'commit',
  11: 'join',
  12: 'heartbeat',
}

const kafka: Protocol = {
  headerBytes: 8,
  frameBytes: (header) => header.readInt32BE(0) + 4,
  answerTo: (header) => header.readInt32BE(4),
  request(data) {
    if (data.length < 12) return null
    const api = data.readInt16BE(4)
    return { id: data.readInt32BE(8), kind: `kafka ${kafkaRequests[api] ?? `other (${api})`}` }
  },
}

/** The ports of the servers in a URL such as `kafka://host:1,host:2` or `mongodb://host:1/name`. */
const portsOf = (url = '') => [...url.matchAll(/:(\d+)(?=[,/?]|$)/g)].map(([, port]) => Number(port))

const protocols = new Map<number, Protocol>([
  ...portsOf(process.env.BELFRY_STORE_URL).map((port) => [port, mongo] as const),
  ...portsOf(process.env.BELFRY_BUS_URL).map((port) => [port, kafka] as const),
])

const sums: WireSums = {}
let turn = 0

interface Pending {
  readonly sum: WireSum
  readonly sentAt: number
}

/** Follows the answers on a socket: reads each frame's header, and skips its rest. */
function followAnswers(socket: Socket, protocol: Protocol): Map<number, Pending> {
  const pending = new Map<number, Pending>()
  let header: Buffer = Buffer.alloc(0)
  let skip = 0
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      if (skip > 0) {
        const step = Math.min(skip, chunk.length - at)
        skip -= step
        at += step
        continue
      }
      const missing = protocol.headerBytes - header.length
      header = Buffer.concat([header, chunk.subarray(at, at + missing)])
      at += missing
      if (header.length < protocol.headerBytes) return
      const id = protocol.answerTo(header)
      const call = pending.get(id)
      if (call) call.sum.waitMs += performance.now() - call.sentAt
      pending.delete(id)
      skip = protocol.frameBytes(header) - protocol.headerBytes
      header = Buffer.alloc(0)
    }
  })
  socket.on('close', () => pending.clear())
  return pending
}

const followed = new WeakMap<Socket, Map<number, Pending>>()

function record(socket: Socket, data: unknown): void {
  const protocol = protocols.get(socket.remotePort ?? 0)
  if (!protocol || !Buffer.isBuffer(data)) return
  const call = protocol.request(data)
  if (!call) return
  let pending = followed.get(socket)
  if (!pending) {
    pending = followAnswers(socket, protocol)
    followed.set(socket, pending)
  }
  const sum = sums[call.kind] ?? { count: 0, waitMs: 0, bytes: 0 }
  sums[call.kind] = sum
  sum.count += 1
  sum.bytes += data.length
  pending.set(call.id, { sum, sentAt: performance.now() })
}

function writeRecord(): void {
  turn += 1
  const file = `${process.env.WIRE_RECORD}/${process.pid}.json`
  const text: WireRecord = { turn, sums, loopMs: performance.eventLoopUtilization().active }
  writeFileSync(`${file}.new`, JSON.stringify(text))
  renameSync(`${file}.new`, file)
}

if (isMainThread && process.env.WIRE_RECORD) {
  const write = Socket.prototype.write
  Socket.prototype.write = function (this: Socket, ...args: unknown[]) {
    record(this, args[0])
    return Reflect.apply(write, this, args)
  } as typeof write
  process.on('SIGUSR2', writeRecord)
}
