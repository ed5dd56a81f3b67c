import { crc32 } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * A weak ETag over a version and what is shown of it (docs/guide/http-conventions.md, "Versions"): status, next run and the
 * like change without the version.
 * A checksum is enough: it guards no secret, and it costs a tenth of a hash.
 * `W/"7.3f2a90bc"`.
 */
export function etagOf(version: number, shown: unknown): string {
  return etagOfText(version, JSON.stringify(shown))
}

/** The same of what is shown as JSON already. */
export function etagOfText(version: number, text: string): string {
  return `W/"${version}.${crc32(text).toString(16).padStart(8, '0')}"`
}

/** RFC 9110, 13.1.2: weak comparison; `*` is every tag. */
function isNamed(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  const strong = (tag: string) => tag.trim().replace(/^W\//, '')
  return header.trim() === '*' || header.split(',').some((tag) => strong(tag) === strong(etag))
}

/** Answers what is shown with its tag; 304 without it when `If-None-Match` names the tag. */
export function sendTagged(request: FastifyRequest, reply: FastifyReply, version: number, shown: object): FastifyReply {
  const etag = etagOf(version, shown)
  reply.header('etag', etag)
  return isNamed(request.headers['if-none-match'], etag) ? reply.code(304).send() : reply.send(shown)
}
