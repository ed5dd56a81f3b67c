import type { RunContext } from './handler.ts'

interface Sleeper {
  readonly signal: AbortSignal
  readonly clock: Pick<RunContext['clock'], 'callAfter'>
}

/** Resolves after `ms` milliseconds by the clock; rejects with the signal's reason as soon as that is aborted. */
export function sleep(ms: number, { signal, clock }: Sleeper): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const onAbort = () => {
      timer.cancel()
      reject(signal.reason)
    }
    const timer = clock.callAfter(ms, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
