import type { Socket } from 'node:net'
import { type ErrorCode, problems, refusal } from '@belfry/contracts'
import { problemOf } from './problem.ts'

const codes: Record<string, ErrorCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
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
  const code = codes[error.code ?? ''] ?? 'malformed-request'
  const { status, title } = problems[code]
  const body = JSON.stringify(problemOf(refusal(code, 'What came in is not a whole HTTP request.'), ''))
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
