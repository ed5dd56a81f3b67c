import type { FastifyReply } from 'fastify'

/** Adds a header's name to `Vary` (RFC 9110, 12.5.5): the answer depends on that header of the request. */
export function addVary(reply: FastifyReply, name: string): void {
  const known = reply.getHeader('vary')
  reply.header('vary', known === undefined ? name : `${known}, ${name}`)
}
