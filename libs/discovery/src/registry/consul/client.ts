import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import consul from 'consul'
import type { ConsulAddress } from './address.ts'

/** The answer of one blocking query. */
interface ListAnswer {
  /** `X-Consul-Index`; 0 when there is none. */
  readonly index: number
  /** As Consul sent them: `Service` and `Checks` of each instance. */
  readonly entries: readonly unknown[]
}

/** What is registered, in Consul's terms. */
interface Registration {
  readonly name: string
  readonly id: string
  readonly address: string
  readonly port: number
  readonly tags: readonly string[]
  readonly meta: Readonly<Record<string, string>>
  readonly checkUrl: string
  /** Whether it counts as passing until its first check. */
  readonly isPassing: boolean
}

/** The calls to Consul's API (1.8 and later). Each rejects within its time limit. */
export interface ConsulClient {
  /**
   * The instances of a service; with an index it answers when that has changed, or after `waitMs`. `timeoutMs`: how long
   * Consul may take beyond that.
   */
  list(name: string, index: number | null, waitMs: number, timeoutMs: number): Promise<ListAnswer>
  register(registration: Registration): Promise<void>
  /** Resolves too when Consul does not know the instance. */
  deregister(id: string): Promise<void>
  /** Ends the calls at work; they reject. */
  close(): void
}

/** For calls that Consul answers at once, milliseconds. */
export const callTimeoutMs = 2_000
/** Consul adds up to a sixteenth to the wait of a blocking query. */
const waitSlack = 17 / 16

const check = {
  interval: '1s',
  timeout: '2s',
  // One check that is late or fails says that a machine is busy; the second one in a row takes the instance out.
  failuresbeforecritical: 2,
  // Consul takes no shorter time.
  deregistercriticalserviceafter: '1m',
}

/** The types of the package lack the options that every call takes. */
interface CallOptions {
  readonly timeout: number
  readonly ctx: EventEmitter & { includeResponse: boolean }
}

/** A call to Consul that failed. `status`: of its answer; null when there was none. */
class ConsulError extends Error {
  readonly status: number | null
  constructor({ message, statusCode }: { message: string; statusCode?: unknown }) {
    super(`Consul: ${message}`)
    this.name = 'ConsulError'
    this.status = typeof statusCode === 'number' ? statusCode : null
  }
}
type Answer = readonly [{ headers: IncomingHttpHeaders }, unknown]

function indexOf(headers: IncomingHttpHeaders): number {
  const index = Number(headers['x-consul-index'])
  return Number.isSafeInteger(index) && index > 0 ? index : 0
}

export function openConsulClient({ host, port }: ConsulAddress): ConsulClient {
  const client = new consul({ host, port })
  const running = new Set<EventEmitter>()
  let isClosed = false

  async function call<T>(timeout: number, action: (options: CallOptions) => Promise<T>): Promise<T> {
    if (isClosed) throw new Error('the registry is closed')
    const ctx = Object.assign(new EventEmitter(), { includeResponse: true })
    running.add(ctx)
    try {
      return await action({ timeout, ctx })
    } catch (error) {
      // The errors of the package hold the whole answer, which would be logged with them.
      throw new ConsulError(error as Error)
    } finally {
      running.delete(ctx)
    }
  }

  return {
    async list(name, index, waitMs, timeoutMs) {
      const query = index === null ? {} : { index: String(index), wait: `${waitMs}ms` }
      const timeout = timeoutMs + (index === null ? 0 : Math.ceil(waitMs * waitSlack))
      const answer = await call(timeout, (options) => client.health.service({ service: name, ...query, ...options }))
      const [{ headers }, body] = answer as unknown as Answer
      if (!Array.isArray(body)) throw new Error('Consul answered with something else than a list')
      return { index: indexOf(headers), entries: body }
    },
    async register({ name, id, address, port, tags, meta, checkUrl, isPassing }) {
      const status = isPassing ? 'passing' : 'critical'
      const service = { name, id, address, port, tags: [...tags], meta: { ...meta } }
      await call(callTimeoutMs, (options) =>
        client.agent.service.register({
          ...service,
          check: { ...check, http: checkUrl, status, name: 'ready' },
          ...options,
        }),
      )
    },
    async deregister(id) {
      try {
        await call(callTimeoutMs, (options) => client.agent.service.deregister({ id, ...options }))
      } catch (error) {
        if ((error as ConsulError).status !== 404) throw error
      }
    },
    close() {
      isClosed = true
      for (const ctx of running) ctx.emit('cancel')
      client.destroy()
    },
  }
}
