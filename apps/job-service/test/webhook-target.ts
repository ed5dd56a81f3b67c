import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { NotificationMessage } from '@belfry/contracts'

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly message: NotificationMessage
}

/** How the target answers: a status, with a Retry-After where one is given; never where it is null. */
type Answer = { readonly status: number; readonly retryAfter?: string } | null

/** A receiver of webhooks. */
export async function startTarget() {
  const received: Received[] = []
  const answers: Answer[] = []
  let usual: Answer = { status: 204 }
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    received.push({ headers: request.headers, body, message: JSON.parse(body) as NotificationMessage })
    const answer = answers.length > 0 ? (answers.shift() as Answer) : usual
    if (answer === null) return
    if (answer.retryAfter) response.setHeader('retry-after', answer.retryAfter)
    response.writeHead(answer.status).end('thanks')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    /** The next answers, one after the other; then `usual` ones. */
    answer: (...next: Answer[]) => void answers.push(...next),
    always(answer: Answer) {
      usual = answer
    },
    typesOf: () => received.map(({ message }) => message.type),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
export type Target = Awaited<ReturnType<typeof startTarget>>

/** Checks a message as a receiver does (Standard Webhooks): one of its signatures is by this key. */
export function isSignedBy(key: string, { headers, body }: Received): boolean {
  const bytes = Buffer.from(key.slice('whsec_'.length), 'base64')
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const expected = `v1,${createHmac('sha256', bytes).update(text).digest('base64')}`
  return String(headers['webhook-signature']).split(' ').includes(expected)
}
