import { type Page, type Refusal, refusal } from '@belfry/contracts'
import type { FastifyReply } from 'fastify'
import type { z } from 'zod'

/** Where a page ends: the sort keys of its last row. */
export type CursorPart = string | number | null

/** The text that continues a list after the row with these sort keys. It narrows a list, so it needs no seal. */
export function encodeCursor(parts: readonly CursorPart[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

const badCursor = refusal('malformed-request', 'The cursor is not one that this list gave.', {
  errors: [{ pointer: '?cursor', code: 'bad-cursor', detail: 'is not a cursor of this list' }],
})

/** The sort keys of a cursor, by the tuple that `encodeCursor` was given; a refusal (400) when it is not such a text. */
export function decodeCursor<T>(text: string, parts: z.ZodType<T>): T | Refusal {
  try {
    const parsed = parts.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
    return parsed.success ? parsed.data : badCursor
  } catch {
    return badCursor
  }
}

/** The address of the next page: the same list with another cursor, relative to this one. */
function nextLink(url: string, cursor: string): string {
  const [path = '', query = ''] = url.split('?', 2)
  const params = new URLSearchParams(query)
  params.set('cursor', cursor)
  return `<${path.replace(/[^!-~]|[<>"]/g, encodeURIComponent)}?${params}>; rel="next"`
}

/** Answers rows that are a page already; `nextCursor` null on the last one. Sets `Link` (RFC 8288). */
export function answerPage<T>(reply: FastifyReply, data: T[], nextCursor: string | null): Page<T> {
  if (nextCursor !== null) reply.header('link', nextLink(reply.request.url, nextCursor))
  return { data, page: { nextCursor, hasMore: nextCursor !== null } }
}

/**
 * Answers one page of `rows`, of which the store was asked for one more than `limit`: that one says that more follow.
 * `cursorOf` gives the sort keys of a row, `view` what is shown of it.
 */
export function sendPage<T, V = T>(
  reply: FastifyReply,
  rows: readonly T[],
  limit: number,
  cursorOf: (row: T) => readonly CursorPart[],
  view: (row: T) => V = (row) => row as unknown as V,
): Page<V> {
  const last = rows.length > limit ? rows[limit - 1] : undefined
  const data = rows.slice(0, limit).map((row) => view(row))
  return answerPage(reply, data, last === undefined ? null : encodeCursor(cursorOf(last)))
}
