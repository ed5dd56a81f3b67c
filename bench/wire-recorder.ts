import { renameSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { Socket } from 'node:net'
import { isMainThread } from 'node:worker_threads'

/**
 * Loaded into a service's process before its own code (`node --import`). It counts what the process sends to MongoDB and
 * Kafka, by command, and how long each answer takes as the process sees it. On SIGUSR2 it writes the sums to
 * `WIRE_RECORD/<pid>.json`. It reads the beginning of each request and the header of each answer, and changes nothing. With
 * WIRE_PROFILE the first of two signals also begins a CPU profile, and the second writes it to `WIRE_RECORD/<pid>.cpuprofile`.
 */

/** Sums over the calls of one kind since the process began. */
export interface WireSum {
  count: number
  /** From the write of the request to the arrival of the answer's header. */
  waitMs: number
  /** Of requests. */
  bytes: number
  /** Records that are inserted, updated or deleted: the operations of a write command, whatever each of them matches. */
  rows: number
}
/** By `mongo <command> <collection>` or `kafka <request>`. */
export type WireSums = Record<string, WireSum>
export interface WireRecord {
  readonly turn: number
  readonly sums: WireSums
  /** Milliseconds that the event loop was busy since the process began. */
  readonly loopMs: number
  /** User and system time since the process began. */
  readonly cpuSeconds: number
}

interface Protocol {
  readonly headerBytes: number
  /** Of the whole frame, from its header. */
  readonly frameBytes: (header: Buffer) => number
  /** What the answer is to. */
  readonly answerTo: (header: Buffer) => number
  readonly request: (data: Buffer) => { id: number; kind: string; rows: number } | null
}

const opMsg = 2013
/** BSON's numbers of types. */
const bsonType = { text: 2, document: 3, array: 4 }

/** How many documents the array field at `at` holds; 0 where another field is. */
function documentsInArray(data: Buffer, at: number): number {
  if (data[at] !== bsonType.array) return 0
  const begin = data.indexOf(0, at + 1) + 1
  const end = begin + data.readInt32LE(begin) - 1
  let count = 0
  for (let next = begin + 4; next < end && data[next] === bsonType.document; count += 1) {
    const document = data.indexOf(0, next + 1) + 1
    next = document + data.readInt32LE(document)
  }
  return count
}

/** How many documents the section behind the body holds, where the driver has put them there; 0 without one. */
function documentsBehind(data: Buffer): number {
  const section = 21 + data.readInt32LE(21)
  if (data[section] !== 1 || section + 5 > data.length) return 0
  const end = section + 1 + data.readInt32LE(section + 1)
  let count = 0
  for (let next = data.indexOf(0, section + 5) + 1; next < end; count += 1) next += data.readInt32LE(next)
  return count
}

const mongo: Protocol = {
  headerBytes: 16,
  frameBytes: (header) => header.readInt32LE(0),
  answerTo: (header) => header.readInt32LE(8),
  request(data) {
    if (data.length < 32 || data.readInt32LE(12) !== opMsg || data[20] !== 0) return null
    // The first field of the command is its name; its value is the collection where that is a text.
    const end = data.indexOf(0, 26)
    const id = data.readInt32LE(4)
    const command = `mongo ${data.toString('utf8', 26, end)}`
    if (data[25] !== bsonType.text) return { id, kind: command, rows: 0 }
    const textEnd = end + 5 + data.readInt32LE(end + 1)
    const kind = `${command} ${data.toString('utf8', end + 5, textEnd - 1)}`
    return { id, kind, rows: documentsInArray(data, textEnd) + documentsBehind(data) }
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
    return { id: data.readInt32BE(8), kind: `kafka ${kafkaRequests[api] ?? `other (${api})`}`, rows: 0 }
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
  const sum = sums[call.kind] ?? { count: 0, waitMs: 0, bytes: 0, rows: 0 }
  sums[call.kind] = sum
  sum.count += 1
  sum.rows += call.rows
  sum.bytes += data.length
  pending.set(call.id, { sum, sentAt: performance.now() })
}

const session = new Session()

function recordNow(): WireRecord {
  const { user, system } = process.cpuUsage()
  return { turn, sums, loopMs: performance.eventLoopUtilization().active, cpuSeconds: (user + system) / 1e6 }
}

async function beginProfile(): Promise<void> {
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
}

async function endProfile(file: string): Promise<void> {
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  writeFileSync(file, JSON.stringify(profile))
}

/** The record leaves out what the profiler itself needs to begin and to end. */
async function writeRecord(): Promise<void> {
  turn += 1
  const file = `${process.env.WIRE_RECORD}/${process.pid}`
  const isProfiling = Boolean(process.env.WIRE_PROFILE)
  if (isProfiling && turn % 2 === 1) await beginProfile()
  const record = JSON.stringify(recordNow())
  if (isProfiling && turn % 2 === 0) await endProfile(`${file}.cpuprofile`)
  writeFileSync(`${file}.new`, record)
  renameSync(`${file}.new`, `${file}.json`)
}

if (isMainThread && process.env.WIRE_RECORD) {
  const write = Socket.prototype.write
  Socket.prototype.write = function (this: Socket, ...args: unknown[]) {
    record(this, args[0])
    return Reflect.apply(write, this, args)
  } as typeof write
  process.on('SIGUSR2', () => void writeRecord())
}
