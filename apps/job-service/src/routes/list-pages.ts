import { isRefusal, type Refusal, refusal } from '@belfry/contracts'
import { answerPage, decodeCursor, encodeCursor } from '@belfry/http'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { ListPosition, LongField } from '../store/ports.ts'
import type { ConcurrencyLimiter } from '../use-cases/concurrency-limiter.ts'
import type { PageRequest, Rows } from '../use-cases/scan-list.ts'

interface PageQuery {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly fields: readonly LongField[]
}

/** One list, as it is asked for by a request. */
interface List<T> {
  readonly userId: string
  readonly query: PageQuery
  /** What a cursor of this list holds. */
  readonly position: z.ZodType<ListPosition>
  find(page: PageRequest): Promise<Rows<T> | Refusal>
  /** How a row is shown. */
  view(row: T): unknown
}

/** Answers lists, page by page. */
export interface ListPages {
  answer<T>(reply: FastifyReply, list: List<T>): Promise<void>
}

const tooManyLists = refusal('too-many-requests', 'Too many of your lists are being read.', { retryAfterS: 1 })

/** The schema of a store's own positions. */
export function positionsOf(store: { isPosition(value: unknown): value is ListPosition }): z.ZodType<ListPosition> {
  return z.custom<ListPosition>(store.isPosition)
}

/** The page that a query asks for; a refusal when its cursor is none of this list. */
function readPage({ limit, cursor, fields }: PageQuery, position: z.ZodType<ListPosition>): PageRequest | Refusal {
  if (cursor === undefined) return { limit, fields, after: null }
  const after = decodeCursor(cursor, position)
  return isRefusal(after) ? after : { limit, fields, after }
}

/** `limiter`: how many lists of one user are read at a time. `maxBytes`: longest body of a page. */
export function createListPages({ limiter, maxBytes }: { limiter: ConcurrencyLimiter; maxBytes: number }): ListPages {
  return {
    async answer(reply, { userId, query, position, find, view }) {
      const page = readPage(query, position)
      if (isRefusal(page)) return reply.refuse(page)
      const found = await limiter.run(userId, () => find(page))
      if (found === null) return reply.refuse(tooManyLists)
      if (isRefusal(found)) return reply.refuse(found)
      const next = found.next && encodeCursor(found.next)
      answerPage(reply, found.rows, { cursorOf: (row) => row.position, view: ({ row }) => view(row), next, maxBytes })
    },
  }
}
