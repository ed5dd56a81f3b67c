import type { Socket } from 'node:net'
import { problems, type Refusal, refusal } from '@belfry/contracts'
import { problemOf } from './problem.ts'

const malformed = refusal('malformed-request', 'What came in is not a whole HTTP request.')
/** By the codes of Node's HTTP parser. */
const refusals: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: refusal('request-timeout', 'The request did not come in whole in time.'),
  HPE_HEADER_OVERFLOW: refusal(
    'headers-too-large',
    'The address and the headers of the request are too long together.',
  ),
}

/**
 * Answers what is no HTTP request, or never becomes a whole one: nothing of it reaches a route. A connection on which nothing has
 * come is closed without an answer: clients open some ahead, and would take a 408 for the answer to a request that they
 * send at that moment.
 */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  if (socket.bytesRead === 0) {
    socket.destroy()
    return
  }
  const refused = refusals[error.code ?? ''] ?? malformed
  const { status, title } = problems[refused.code]
  const body = JSON.stringify(problemOf(refused, ''))
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'content-type: application/problem+json; charset=utf-8',
    'x-content-type-options: nosniff',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  if (socket.writable) socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  else socket.destroy()
}
