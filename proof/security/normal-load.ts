import type { Caller } from '../caller.ts'

/** How the calls of a while fared. Times in milliseconds. */
export interface Fared {
  readonly calls: number
  /** Answers with another status than a success, and calls without an answer. */
  readonly failed: readonly string[]
  readonly p50Ms: number
  readonly p99Ms: number
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Calls that change and read, by a few callers that each wait for their answer, for `forMs` milliseconds. */
export async function runNormalLoad(user: Caller, jobId: string, forMs: number): Promise<Fared> {
  const until = performance.now() + forMs
  const times: number[] = []
  const failed: string[] = []
  const body = { jobType: 'DUMMY', name: 'beside', params: { payload: 'x'.repeat(20_000) } }
  const calls = [
    () => user.call('GET', `/jobs/${jobId}/status`),
    () => user.call('POST', `/jobs/${jobId}/trigger`),
    () => user.call('POST', '/jobs', body),
  ]
  const caller = async (first: number) => {
    for (let at = first; performance.now() < until; at++) {
      const startedAt = performance.now()
      const status = await calls[at % calls.length]?.().then((answer) => answer.status, String)
      times.push(performance.now() - startedAt)
      if (typeof status !== 'number' || status >= 300) failed.push(String(status))
    }
  }
  await Promise.all(calls.map((_, at) => caller(at)))
  times.sort((a, b) => a - b)
  return { calls: times.length, failed, p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99) }
}
