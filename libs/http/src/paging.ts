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

/** Longest body of a page where a service sets no other, bytes (1 MiB, docs/guide/http-conventions.md). */
const pageBytes = 1024 * 1024
/** Of a page beside its rows, at most: the names, and a cursor of 512 characters. */
const frameBytes = 600

/** How the rows of a list are shown. */
export interface PageView<T> {
  /** The sort keys of a row. */
  cursorOf(row: T): readonly CursorPart[]
  /** What is shown of a row, as JSON. */
  view(row: T): unknown
  /** The cursor after the last row; null when the list ends there. */
  readonly next: string | null
  /** Longest body, bytes. A page is cut before the row that would make it longer; one row is always shown. */
  readonly maxBytes?: number
}

/** Answers rows of a list as one page, and sets `Link` (RFC 8288). Each row is turned into JSON once, and measured as that. */
export function answerPage<T>(reply: FastifyReply, rows: readonly T[], page: PageView<T>): void {
  const { cursorOf, view, next, maxBytes = pageBytes } = page
  const texts: string[] = []
  let nextCursor = next
  let bytes = frameBytes
  for (const [index, row] of rows.entries()) {
    const text = JSON.stringify(view(row))
    bytes += Buffer.byteLength(text) + 1
    if (bytes > maxBytes && index > 0) {
      nextCursor = encodeCursor(cursorOf(rows[index - 1] as T))
      break
    }
    texts.push(text)
  }
  if (nextCursor !== null) reply.header('link', nextLink(reply.request.url, nextCursor))
  const end: Page<never>['page'] = { nextCursor, hasMore: nextCursor !== null }
  reply.type('application/json; charset=utf-8').send(`{"data":[${texts.join(',')}],"page":${JSON.stringify(end)}}`)
}

/** Answers one page of `rows`, of which the store was asked for one more than `limit`: that one shows that more follow. */
export function sendPage<T>(
  reply: FastifyReply,
  rows: readonly T[],
  limit: number,
  cursorOf: (row: T) => readonly CursorPart[],
  view: (row: T) => unknown,
): void {
  const last = rows.length > limit ? rows[limit - 1] : undefined
  const next = last === undefined ? null : encodeCursor(cursorOf(last))
  answerPage(reply, rows.slice(0, limit), { cursorOf, view, next })
}
