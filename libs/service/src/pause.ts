import type { Clock } from './clock.ts'

/** Resolves after `ms` milliseconds of monotonic time, or at once when the signal is aborted. */
export function pause(clock: Pick<Clock, 'callAfter'>, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const goOn = () => {
      timer.cancel()
      signal.removeEventListener('abort', goOn)
      resolve()
    }
    const timer = clock.callAfter(ms, goOn)
    signal.addEventListener('abort', goOn)
  })
}
