import { isRefusal, type Refusal, refusal } from '@belfry/contracts'
import { answerPage, decodeCursor, encodeCursor } from '@belfry/http'
import type { FastifyReply } from 'fastify'
import type { z } from 'zod'
import type { PageRequest, Rows } from '../domain/lists.ts'
import type { LongField, Place } from '../domain/ports.ts'
import type { Turns } from '../domain/turns.ts'

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
  readonly places: z.ZodType<Place>
  find(page: PageRequest): Promise<Rows<T> | Refusal>
  /** How a row is shown. */
  view(row: T): unknown
}

/** Answers lists, page by page. */
export interface Pages {
  answer<T>(reply: FastifyReply, list: List<T>): Promise<void>
}

const tooManyLists = refusal('too-many-requests', 'Too many of your lists are being read.', { retryAfterS: 1 })

/** The page that a query asks for; a refusal when its cursor is none of this list. */
function readPage({ limit, cursor, fields }: PageQuery, places: z.ZodType<Place>): PageRequest | Refusal {
  if (cursor === undefined) return { limit, fields, place: null }
  const place = decodeCursor(cursor, places)
  return isRefusal(place) ? place : { limit, fields, place }
}

/** `turns`: how many lists of one user are read at a time. `maxBytes`: longest body of a page. */
export function createPages({ turns, maxBytes }: { turns: Turns; maxBytes: number }): Pages {
  return {
    async answer(reply, { userId, query, places, find, view }) {
      const page = readPage(query, places)
      if (isRefusal(page)) return reply.refuse(page)
      const found = await turns.run(userId, () => find(page))
      if (found === null) return reply.refuse(tooManyLists)
      if (isRefusal(found)) return reply.refuse(found)
      const next = found.next && encodeCursor(found.next)
      answerPage(reply, found.rows, { cursorOf: ({ place }) => place, view: ({ row }) => view(row), next, maxBytes })
    },
  }
}
