import type { Clock } from '@belfry/service'

/** Resolves after `ms` milliseconds, or at once when `until` settles. */
export function pause(clock: Clock, ms: number, until?: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.callAfter(ms, resolve)
    const wake = () => {
      timer.cancel()
      resolve()
    }
    until?.then(wake, wake)
  })
}

/** Waits for `work` no longer than `ms` milliseconds; what it answers or how it fails is left alone. */
export async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  await pause(clock, ms, work)
}
