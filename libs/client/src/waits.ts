/** The time as the client needs it. Tests hand in one of their own. */
export interface ClientClock {
  /** Epoch milliseconds. */
  now(): number
  /** Resolves after so many milliseconds; rejects with the reason of the signal when that is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: ClientClock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', stop)
        resolve()
      }, ms)
      if (signal?.aborted) stop()
      else signal?.addEventListener('abort', stop, { once: true })
    }),
}

/** How calls and streams are repeated. */
export interface RetryOptions {
  /** Repetitions of one call after the first try, 0 to any number. Default: 5. */
  readonly maxRetries: number
  /** The wait before the first repetition where the answer names none, milliseconds; each further one is twice as long. Default: 200. */
  readonly delayMs: number
  /** The longest wait, milliseconds; an answer that asks for a longer one is not repeated. Default: 30,000. */
  readonly maxDelayMs: number
}

export const retryDefaults: RetryOptions = { maxRetries: 5, delayMs: 200, maxDelayMs: 30_000 }

/** The wait before the repetition `nth`, from 1, milliseconds: half of it at random, so that callers do not come together. */
export function delayBefore(nth: number, { delayMs, maxDelayMs }: RetryOptions, random = Math.random): number {
  const whole = Math.min(maxDelayMs, delayMs * 2 ** (nth - 1))
  return Math.round(whole / 2 + (whole / 2) * random())
}

/** Milliseconds of a header `Retry-After` in seconds; null when there is none. Belfry sends no dates in it. */
export function readRetryAfter(header: string | null): number | null {
  return header !== null && /^\d{1,9}$/.test(header) ? Number(header) * 1000 : null
}
