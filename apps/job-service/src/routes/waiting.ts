import type { FastifyReply, FastifyRequest } from 'fastify'

/** Longest wait of one call, milliseconds (docs/jobs.md, "Wait for an end"). */
const longestWaitMs = 20_000
/** What a call waits that names no time, milliseconds: below the time-out of the gateway, which only a named one extends. */
const usualWaitMs = 2_000

/** RFC 7240: preferences with commas between, among them `wait=20`, in seconds. */
const preference = /(?:^|,)\s*wait\s*=\s*"?(\d{1,5})"?\s*(?:[,;]|$)/i

/** How long a call that waits for an end may wait, milliseconds; 0 for one that does not wait. */
export function waitMsOf({ headers, query }: Pick<FastifyRequest, 'headers' | 'query'>): number {
  if ((query as { until?: string }).until === undefined) return 0
  const seconds = preference.exec(String(headers.prefer ?? ''))?.[1]
  return seconds === undefined ? usualWaitMs : Math.min(Number(seconds) * 1000, longestWaitMs)
}

/** Says how long the call was ready to wait, where it asked for that (RFC 7240, 3). */
export function showWait(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const waitMs = waitMsOf(request)
  return waitMs > 0 && request.headers.prefer !== undefined
    ? reply.header('preference-applied', `wait=${Math.floor(waitMs / 1000)}`)
    : reply
}

/** Aborted when the client goes away before its answer. */
export function signalOf(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort()
  })
  return gone.signal
}
