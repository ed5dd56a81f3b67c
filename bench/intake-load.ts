import { setTimeout as wait } from 'node:timers/promises'
import { Pool } from 'undici'
import type { Caller } from '../proof/caller.ts'
import { inParallel } from './belfry.ts'

/** What the callers of a load have seen. */
export interface LoadReport {
  /** From the first call to the last answer, milliseconds. */
  readonly tookMs: number
  /** From a call to its answer, with the waits that a refusal asked for, milliseconds. */
  readonly waitsMs: readonly number[]
  /** Answers of 429 and 503; each was repeated. */
  readonly refused: number
}

export interface Load {
  /** The calls, by their index. */
  readonly count: number
  readonly callers: number
  readonly path: string
  /** The body of a call, JSON text. */
  readonly bodyOf: (index: number) => string
  readonly isTaken: (status: number) => boolean
}

/** Callers of one user, each of which waits for its answer before its next call. Rejects at an answer that is neither taken nor to be repeated. */
export async function runLoad(user: Caller, { count, callers, path, bodyOf, isTaken }: Load): Promise<LoadReport> {
  const pool = new Pool(user.url, { connections: callers, pipelining: 1 })
  const headers = {
    authorization: `Bearer ${user.token}`,
    'content-type': 'application/json',
    prefer: 'return=minimal',
  }
  const waitsMs: number[] = []
  let refused = 0
  const call = async (index: number): Promise<void> => {
    const sentAt = performance.now()
    for (;;) {
      const answer = await pool.request({ method: 'POST', path, headers, body: bodyOf(index) })
      const text = await answer.body.text()
      if (isTaken(answer.statusCode)) break
      if (answer.statusCode !== 429 && answer.statusCode !== 503) throw new Error(`${answer.statusCode} ${text}`)
      refused += 1
      await wait(Number(answer.headers['retry-after'] ?? 1) * 1000)
    }
    waitsMs.push(performance.now() - sentAt)
  }
  const startedAt = performance.now()
  await inParallel(count, callers, call)
  const tookMs = performance.now() - startedAt
  await pool.close()
  return { tookMs, waitsMs, refused }
}

/** `n` jobs that do nothing and run once, in a day from `now` on: one a call, or `batch` of them. */
export function oneShots(n: number, batch: number, callers: number, now = Date.now()): Load {
  const runAt = (index: number) => new Date(now + 86_400_000 + index).toISOString()
  const job = (index: number) => `{"jobType":"DUMMY","params":{"durationMs":0},"runAt":"${runAt(index)}"}`
  if (batch <= 1) {
    return { count: n, callers, path: '/jobs', bodyOf: job, isTaken: (status) => status === 201 }
  }
  const bodyOf = (index: number) => {
    const first = index * batch
    return `[${Array.from({ length: Math.min(batch, n - first) }, (_, at) => job(first + at)).join(',')}]`
  }
  return { count: Math.ceil(n / batch), callers, path: '/jobs/batch', bodyOf, isTaken: (status) => status === 200 }
}
