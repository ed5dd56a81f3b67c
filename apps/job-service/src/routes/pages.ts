import { isRefusal, type Page, type Refusal } from '@belfry/contracts'
import { answerPage, decodeCursor, encodeCursor } from '@belfry/http'
import type { FastifyReply } from 'fastify'
import type { z } from 'zod'
import type { PageRequest, Rows } from '../domain/lists.ts'
import type { Place } from '../domain/ports.ts'

/** The page that a query asks for; a refusal when its cursor is none of this list. */
export function readPage(
  { limit, cursor }: { limit: number; cursor?: string | undefined },
  places: z.ZodType<Place>,
): PageRequest | Refusal {
  if (cursor === undefined) return { limit, place: null }
  const place = decodeCursor(cursor, places)
  return isRefusal(place) ? place : { limit, place }
}

/** Answers the rows as a page, with the cursor of the next one. */
export function answerRows<T, V>(reply: FastifyReply, { rows, next }: Rows<T>, view: (row: T) => V): Page<V> {
  return answerPage(reply, rows.map(view), next && encodeCursor(next))
}
