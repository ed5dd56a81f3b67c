import { hash } from 'node:crypto'
import { isRefusal, type Refusal, refusal } from '@belfry/contracts'
import type { Clock, Ids } from '@belfry/service'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendRefusal } from './problem.ts'

/** The answer of a use case that succeeded. */
export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

/** An answer as it was sent, kept to be sent again. */
export interface StoredAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body: string
}

/** One request that carried an Idempotency-Key (protocol.md, `requests`). Times are epoch milliseconds. */
export interface RequestRecord {
  /** A hash of user, method, path and key. */
  readonly id: string
  readonly bodyHash: string
  /** The id that whatever the request makes will have, in every try. */
  readonly mintedId: string
  readonly madeAt: number
  /** The newest try: which process, and when it began. */
  readonly triedBy: string
  readonly triedAt: number
  /** Null while open. */
  readonly answer: StoredAnswer | null
}

/**
 * The store of requests. Each verb changes one record atomically, is durable when it resolves, and rejects with a `StorageError`.
 * After `outcome-unknown` the request is answered with 503; a repeated request finds the record open, takes it over and runs with
 * the same id, so what the lost write did is done again or found.
 */
export interface RequestStore {
  /**
   * Inserts the record unless one with its id is there that was made at or after `keptSince`; an older one gives way.
   * Answers the one that was there, or undefined when this one was inserted.
   */
  insert(record: RequestRecord, keptSince: number): Promise<RequestRecord | undefined>
  /** Sets `triedBy` and `triedAt` if the record is open and its newest try is still the one of `found`; answers whether. */
  retake(found: RequestRecord, triedBy: string, triedAt: number): Promise<boolean>
  /** Stores the answer; the record is no longer open. */
  storeAnswer(id: string, answer: StoredAnswer): Promise<void>
  /**
   * Removes the record of a first try that was refused, which did nothing, so that the key is free again. Only while the record
   * is open and its newest try is the one of `tried`: a call that takes effect late must not remove a later try.
   */
  removeIfUntouched(tried: RequestRecord): Promise<void>
}

export interface IdempotencyOptions {
  store: RequestStore
  clock: Clock
  ids: Ids
  /** This process, by a name that no other one ever had (its tries end with it). */
  instance: string
  /** By which the age of answers is judged, epoch milliseconds; the clock when left out. */
  agedBy?: () => number
  /** How long answers are kept, milliseconds (api.md: 24 h). */
  keepMs?: number
  /** How old an open try of another process must be to count as dead, milliseconds; 0 where no other can be alive. */
  otherTryMs?: number
}

/**
 * Runs a use case once for each Idempotency-Key (api.md): without a key always. `run` gets the id that the thing it makes
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

const keyPattern = /^[\x21-\x7e]{1,255}$/

const badKey = refusal('malformed-request', 'The Idempotency-Key cannot be taken.', {
  errors: [{ pointer: 'Idempotency-Key', code: 'bad-format', detail: 'must be 1 to 255 visible ASCII characters' }],
})
const inFlight = refusal('request-in-flight', 'A request with this Idempotency-Key is at work.', { retryAfterS: 1 })
const reused = refusal('idempotency-key-reused', 'This Idempotency-Key came with another body before.')

const hashOf = (...parts: readonly string[]) => hash('sha256', parts.join('\n'), 'base64url')

function idOf(request: FastifyRequest, key: string): string {
  const path = request.url.split('?', 1)[0] as string
  return hashOf(request.caller.userId, request.method, path, key)
}

function stored(answer: Answer): StoredAnswer {
  return { status: answer.status, headers: answer.headers ?? {}, body: JSON.stringify(answer.body) }
}

function sendStored(reply: FastifyReply, answer: StoredAnswer): FastifyReply {
  return reply.code(answer.status).headers(answer.headers).type('application/json; charset=utf-8').send(answer.body)
}

/** Makes the wrapper for a service's routes. Tries at work in this process are known by heart, others by their age. */
export function createIdempotency(options: IdempotencyOptions): WithIdempotency {
  const { store, clock, ids, instance, agedBy = clock.now, keepMs = 86_400_000, otherTryMs = 15_000 } = options
  const atWork = new Set<string>()

  /** The record under which this try may run, or one with a stored answer; or the refusal. */
  const take = async (id: string, bodyHash: string): Promise<Take | Refusal> => {
    const now = clock.now()
    const fresh = { id, bodyHash, mintedId: ids.uuid(), madeAt: now, triedBy: instance, triedAt: now, answer: null }
    const found = await store.insert(fresh, agedBy() - keepMs)
    if (!found) return { record: fresh, isFirst: true }
    if (found.bodyHash !== bodyHash) return reused
    if (found.answer) return { record: found, isFirst: false }
    const mayLive = found.triedBy !== instance && now - found.triedAt < otherTryMs
    return !mayLive && (await store.retake(found, instance, now)) ? { record: found, isFirst: false } : inFlight
  }

  const runOnce = async (request: FastifyRequest, reply: FastifyReply, id: string, run: IdempotentUseCase) => {
    const taken = await take(id, hashOf(JSON.stringify(request.body ?? null)))
    if (isRefusal(taken)) return sendRefusal(reply, taken)
    const { record, isFirst } = taken
    if (record.answer) return sendStored(reply.header('idempotency-replayed', 'true'), record.answer)
    const result = await run(record.mintedId)
    if (isRefusal(result)) {
      // A try that broke off may have stored something: the next one must find that, not make it anew.
      if (isFirst) await store.removeIfUntouched(record)
      return sendRefusal(reply, result)
    }
    const answer = stored(result)
    await store.storeAnswer(id, answer)
    return sendStored(reply, answer)
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
