import { randomUUID } from 'node:crypto'
import { eventually } from '../belfry-process.ts'
import { createCaller } from '../caller.ts'
import { preciseNow } from '../target.ts'

/** What a script throws when its process has died, or does not answer while it may be dying. */
export class Died extends Error {}

interface Asked {
  /** The access token; null: none. */
  readonly as: string | null
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** The statuses that are right. Default: 200 to 204. A repetition may find that the first try was done. */
  readonly ok?: readonly number[]
  readonly headers?: Readonly<Record<string, string>>
}

interface Reply<T> {
  readonly status: number
  readonly body: T
  /** When the answer came, by the clock of the target's calls; milliseconds. */
  readonly answeredAt: number
}

/**
 * What users do, as a function that is run again after a crash: a call that was answered is not made again, one that was not is repeated
 * with its Idempotency-Key, and the rest follows. So each answer is held against what the restarted service shows.
 */
export interface Script {
  /** A call that changes something. Throws when its answer is none of the right ones. */
  call<T = Record<string, unknown>>(asked: Asked): Promise<Reply<T>>
  /** The same, in the first run only; its answer is not awaited. */
  tryOnce(asked: Asked): Promise<void>
  /** The body of a 200, read anew in each run. */
  read<T>(as: string, path: string): Promise<T>
  /** Waits for something; `what` is part of the error when it does not come. */
  until<T>(what: string, check: () => Promise<T | undefined>): Promise<T>
  /** Whether the next call was made in an earlier run: what it changes may have changed. */
  wasTried(): boolean
  /** A name that is the same in each run. */
  readonly id: string
}

export interface ScriptRun extends Script {
  /** Begins the next run: the first calls are those of the run before. `mustEnd`: the service is up, so that all must come right. */
  begin(mustEnd: boolean): Script
}

/** While a process may die: how long anything is waited for, milliseconds. */
const playMs = 6_000
/** After the restart: how long a call is repeated, and anything is waited for, milliseconds. */
const settleMs = 45_000
/** How long one answer may take, milliseconds. */
const answerMs = 8_000

const usual = [200, 201, 202, 204]
/** What a service answers for another one that is away, and what asks for patience. */
const isNoAnswer = (status: number) => status >= 500 || status === 429

export function createScript(url: () => string): ScriptRun {
  const id = randomUUID().slice(0, 8)
  const answered: Reply<unknown>[] = []
  const keys: string[] = []
  let next = 0
  let isLast = false

  async function send<T>(asked: Asked, key: string | null): Promise<Reply<T> | undefined> {
    const { as, method, path, body, headers = {} } = asked
    const send = async () => {
      const more = key === null ? headers : { 'idempotency-key': key, ...headers }
      return createCaller(url(), as).call<T>(method, path, body, more)
    }
    const late = new Promise<null>((resolve) => setTimeout(resolve, answerMs, null).unref())
    const answer = await Promise.race([send(), late]).catch(() => null)
    if (!answer || isNoAnswer(answer.status)) return undefined
    const { code } = (answer.body ?? {}) as { readonly code?: string }
    return answer.status === 409 && code === 'request-in-flight' ? undefined : { ...answer, answeredAt: preciseNow() }
  }

  async function untilAnswered<T>(asked: Asked, key: string | null): Promise<Reply<T>> {
    if (isLast) return eventually(`an answer to ${asked.method} ${asked.path}`, () => send<T>(asked, key), settleMs)
    const answer = await send<T>(asked, key)
    if (!answer) throw new Died(asked.path)
    return answer
  }

  const script: ScriptRun = {
    id,
    begin(mustEnd) {
      next = 0
      isLast = mustEnd
      return script
    },
    wasTried: () => keys[next] !== undefined,
    async call<T>(asked: Asked) {
      const at = next
      next += 1
      const known = answered[at]
      if (known) return known as Reply<T>
      keys[at] ??= randomUUID()
      const answer = await untilAnswered<T>(asked, asked.method === 'POST' ? keys[at] : null)
      if (!(asked.ok ?? usual).includes(answer.status))
        throw new Error(`${asked.method} ${asked.path}: ${answer.status} ${JSON.stringify(answer.body)}`)
      answered[at] = answer
      return answer
    },
    async tryOnce(asked) {
      const at = next
      next += 1
      if (keys[at]) return
      keys[at] = randomUUID()
      await send(asked, keys[at])
    },
    async read<T>(as: string, path: string) {
      const { status, body } = await untilAnswered<T>({ as, method: 'GET', path }, null)
      if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`)
      return body
    },
    async until(what, check) {
      try {
        return await eventually(what, check, isLast ? settleMs : playMs)
      } catch (error) {
        if (isLast) throw error
        throw new Died(what)
      }
    },
  }
  return script
}
