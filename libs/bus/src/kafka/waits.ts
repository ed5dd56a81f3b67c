import type { Clock } from '@belfry/service'

/** Settles as `work` does, or resolves when the signal is aborted before that. */
export function unlessAborted(signal: AbortSignal, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => resolve()
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', end))
  })
}

/** Waits for `work` no longer than `ms` milliseconds; how it ends is left alone. */
export function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.callAfter(ms, resolve)
    const end = () => {
      timer.cancel()
      resolve()
    }
    work.then(end, end)
  })
}
