import type { Instance, LocalHandler } from '../registry/port.ts'
import { urlHost } from '../registry/port.ts'
import { LocalRequest } from './local-request.ts'
import { LocalResponse } from './local-response.ts'
import { ServiceCallError } from './service-call-error.ts'
import type { Transport } from './transport.ts'

/**
 * Calls a service of the same process without a connection: its app gets the request and its body as they come, and the answer
 * goes back as it is written (decision 045). To both it looks like a connection: a caller that goes away, a slow reader, an answer
 * before the end of the body.
 */
export function createLocalTransport(
  { host, port }: Pick<Instance, 'host' | 'port'>,
  handler: LocalHandler,
): Transport {
  const authority = `${urlHost(host)}:${port}`
  return {
    request(call, callback) {
      let isAnswered = false
      const answer = (...args: Parameters<typeof callback>) => {
        if (isAnswered) return
        isAnswered = true
        callback(...args)
      }
      const request = new LocalRequest(call, authority)
      const response = new LocalResponse(request, (head) => answer(null, head))
      const end = () => {
        if (!response.writableFinished) answer(new ServiceCallError('refused', 'the service broke off its answer'))
        request.destroy()
      }
      response.once('close', end)
      request.once('aborted', () => {
        answer(new ServiceCallError('refused', 'the request broke off'))
        response.destroy()
      })
      handler(request.asIncoming(), response.asServerResponse())
      return { abort: () => request.abort(new Error('aborted')) }
    },
    close: () => undefined,
  }
}
