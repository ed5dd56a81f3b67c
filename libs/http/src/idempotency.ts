import { hash } from 'node:crypto'
import { isRefusal, type Refusal, refusal } from '@belfry/contracts'
import type { Clock, Ids } from '@belfry/service'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { canonicalOf } from './dialects.ts'
import { sendRefusal } from './problem.ts'

/** The answer of a use case that succeeded: a body, or the JSON text of one. */
export type Answer = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** A part of the request may succeed later: the answer is not stored, and the same request runs again, with the same minted id. */
  readonly isOpen?: boolean
} & ({ readonly body: unknown } | { readonly text: string })

/** An answer as it was sent, kept to be sent again. */
export interface StoredAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body: string
}

/** One request that carried an Idempotency-Key (docs/protocol.md, `requests`). Times are epoch milliseconds. */
export interface RequestRecord {
  /** A hash of user, method, path and key. */
  readonly id: string
  readonly bodyHash: string
  /** The id that whatever the request makes will have, in every try. */
  readonly mintedId: string
  readonly madeAt: number
  /**
   * The newest try: which process, and when it began by that process's clock. The two name the try: a process never gives one
   * `triedAt` to two tries. `triedAt` is not compared with another clock.
   */
  readonly triedBy: string
  readonly triedAt: number
  /** Null while open. */
  readonly answer: StoredAnswer | null
}

/** One try of a request: what runs its use case once. */
type RequestTry = Pick<RequestRecord, 'id' | 'triedBy' | 'triedAt'>

/**
 * The store of requests. Each verb changes one record atomically, is durable when it resolves, and rejects with a `StorageError`.
 * After `outcome-unknown` the request is answered with 503; a repeated request finds the record open, takes it over and runs with
 * the same id, so what the lost write did is done again or found. `retake`, `storeAnswer` and `removeIfUntouched` count only
 * while the record is open and its newest try is the one that is named: a call that takes effect late changes no later try.
 */
export interface RequestStore {
  /**
   * Inserts the record unless one with its id is there that was made at or after `keptSince`; an older one gives way.
   * Answers the one that was there, or undefined when this one was inserted, and never both: of several inserts at once
   * exactly one is answered with undefined. `madeAt` and `keptSince` may be of two machines: when their clocks are minutes
   * apart, a record is kept for minutes more or less than a day, and a try lasts for seconds.
   */
  insert(record: RequestRecord, keptSince: number): Promise<RequestRecord | undefined>
  find(id: string): Promise<RequestRecord | undefined>
  /** Makes `triedBy` and `triedAt` the newest try, in place of that of `found`; answers whether. */
  retake(found: RequestTry, triedBy: string, triedAt: number): Promise<boolean>
  /** Stores the answer, and the record is no longer open; answers whether. False when another try has taken over. */
  storeAnswer(tried: RequestTry, answer: StoredAnswer): Promise<boolean>
  /** Removes the record of a first try that was refused, which did nothing, so that the key is free again. */
  removeIfUntouched(tried: RequestTry): Promise<void>
}

export interface IdempotencyOptions {
  store: RequestStore
  clock: Clock
  ids: Ids
  /** This process, by a name that no other one ever had (its tries end with it). */
  instance: string
  /** By which the age of answers is judged, epoch milliseconds; the clock when left out. */
  agedBy?: () => number
  /** How long answers are kept, milliseconds (24 h, docs/guide/http-conventions.md). */
  keepMs?: number
  /**
   * How long this process must have seen an open try of another one to take it for dead, milliseconds on its own monotonic
   * clock; 0 where no other can be alive. Longer than a use case takes.
   */
  otherTryMs?: number
  /** Open tries of other processes that are remembered; beyond it the one that was seen least recently is seen anew. */
  sightingsLimit?: number
}

/**
 * Runs a use case once for each Idempotency-Key (docs/guide/http-conventions.md): without a key always. `run` gets the id that the thing it makes
 * is to have, and must be insert-if-absent: after a crash it runs again with the same id.
 */
export type WithIdempotency = (request: FastifyRequest, reply: FastifyReply, run: IdempotentUseCase) => Promise<void>

/** The use case behind a route that takes an Idempotency-Key. */
export type IdempotentUseCase = (mintedId: string) => Promise<Answer | Refusal>

/** `isFirst`: no try before this one can have done anything. */
interface Take {
  readonly record: RequestRecord
  readonly isFirst: boolean
}

/** An open try of another process, and since when this process knows it, milliseconds on its monotonic clock. */
interface Sighting {
  readonly tried: RequestTry
  readonly since: number
}

const keyPattern = /^[\x21-\x7e]{1,255}$/

const badKey = refusal('malformed-request', 'The Idempotency-Key cannot be taken.', {
  errors: [{ pointer: 'Idempotency-Key', code: 'bad-format', detail: 'must be 1 to 255 visible ASCII characters' }],
})
const inFlight = refusal('request-in-flight', 'A request with this Idempotency-Key is at work.', { retryAfterS: 1 })
const reused = refusal('idempotency-key-reused', 'This Idempotency-Key came with another body before.')

const hashOf = (...parts: readonly string[]) => hash('sha256', parts.join('\n'), 'base64url')

function idOf(request: FastifyRequest, key: string): string {
  // The dialects of an address make the same thing.
  const path = canonicalOf(request.url.split('?', 1)[0] as string)
  return hashOf(request.caller.userId, request.method, path, key)
}

const textOf = (answer: Answer) => ('text' in answer ? answer.text : JSON.stringify(answer.body))

function stored(answer: Answer): StoredAnswer {
  return { status: answer.status, headers: answer.headers ?? {}, body: textOf(answer) }
}

function sendStored(reply: FastifyReply, answer: StoredAnswer): FastifyReply {
  return reply.code(answer.status).headers(answer.headers).type('application/json; charset=utf-8').send(answer.body)
}

/** What `triedBy` names once a try has ended without an answer that is stored: any process may run the next one at once. */
const ended = ''

const isSameTry = (a: RequestTry, b: RequestTry) => a.triedBy === b.triedBy && a.triedAt === b.triedAt

/**
 * Answers whether an open try of another process is dead: this process has seen the very same try for `otherTryMs`. The
 * clocks of two machines are not compared, so a request that comes once only waits for `otherTryMs` from its first look on.
 */
function createSightings(clock: Clock, otherTryMs: number, limit: number): (found: RequestTry) => boolean {
  // With `max` the cache would take the memory of all its places when it is made.
  const sightings = new LRUCache<string, Sighting>({ maxSize: limit, sizeCalculation: () => 1 })
  return (found) => {
    const now = clock.monotonic()
    const known = sightings.get(found.id)
    const isKnown = known !== undefined && isSameTry(known.tried, found)
    const { since } = isKnown ? known : { since: now }
    const { id, triedBy, triedAt } = found
    if (!isKnown) sightings.set(id, { tried: { id, triedBy, triedAt }, since })
    return now - since >= otherTryMs
  }
}

/**
 * Makes the wrapper for a service's routes. Tries at work in this process are known by heart, those of others by how long they
 * have been seen. So one try runs at a time. One that was taken for dead and goes on (its process was asleep) has the same
 * minted id and finds what the newer one made; its own answer is not stored, and it answers what is.
 */
export function createIdempotency(options: IdempotencyOptions): WithIdempotency {
  const { store, clock, ids, instance, agedBy = clock.now, keepMs = 86_400_000 } = options
  const atWork = new Set<string>()
  const isDead = createSightings(clock, options.otherTryMs ?? 15_000, options.sightingsLimit ?? 10_000)
  let lastTriedAt = 0

  /** Another number for each try of this process. */
  const nextTriedAt = () => {
    lastTriedAt = Math.max(clock.now(), lastTriedAt + 1)
    return lastTriedAt
  }

  /** The record under which this try may run, or one with a stored answer; or the refusal. */
  const take = async (id: string, bodyHash: string): Promise<Take | Refusal> => {
    const mine = { triedBy: instance, triedAt: nextTriedAt() }
    const fresh = { id, bodyHash, mintedId: ids.uuid(), madeAt: clock.now(), ...mine, answer: null }
    const found = await store.insert(fresh, agedBy() - keepMs)
    if (!found) return { record: fresh, isFirst: true }
    if (found.bodyHash !== bodyHash) return reused
    if (found.answer) return { record: found, isFirst: false }
    const isOver = found.triedBy === instance || found.triedBy === ended
    if (!isOver && !isDead(found)) return inFlight
    const isMine = await store.retake(found, mine.triedBy, mine.triedAt)
    return isMine ? { record: { ...found, ...mine }, isFirst: false } : inFlight
  }

  const end = (tried: RequestTry) => store.retake(tried, ended, nextTriedAt())

  const sendAgain = (reply: FastifyReply, answer: StoredAnswer) =>
    sendStored(reply.header('idempotency-replayed', 'true'), answer)

  const runOnce = async (request: FastifyRequest, reply: FastifyReply, id: string, run: IdempotentUseCase) => {
    const taken = await take(id, hashOf(JSON.stringify(request.body ?? null)))
    if (isRefusal(taken)) return sendRefusal(reply, taken)
    const { record, isFirst } = taken
    if (record.answer) return sendAgain(reply, record.answer)
    const result = await run(record.mintedId)
    if (isRefusal(result)) {
      // A try that broke off may have stored something: the next one must find that, not make it anew.
      await (isFirst ? store.removeIfUntouched(record) : end(record))
      return sendRefusal(reply, result)
    }
    if (result.isOpen) {
      await end(record)
      return sendStored(reply, stored(result))
    }
    const answer = stored(result)
    if (await store.storeAnswer(record, answer)) return sendStored(reply, answer)
    const newest = await store.find(id)
    return newest?.answer ? sendAgain(reply, newest.answer) : sendRefusal(reply, inFlight)
  }

  return async (request, reply, run) => {
    const key = request.headers['idempotency-key']
    if (key === undefined) {
      const result = await run(ids.uuid())
      return isRefusal(result) ? sendRefusal(reply, result) : sendStored(reply, stored(result))
    }
    if (typeof key !== 'string' || !keyPattern.test(key)) return sendRefusal(reply, badKey)
    const id = idOf(request, key)
    if (atWork.has(id)) return sendRefusal(reply, inFlight)
    atWork.add(id)
    try {
      return await runOnce(request, reply, id, run)
    } finally {
      atWork.delete(id)
    }
  }
}
