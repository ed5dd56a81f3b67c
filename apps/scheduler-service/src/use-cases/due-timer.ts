import type { Clock, Timer } from '@belfry/service'

/** Wakes the advance loop at the moment when the next schedule is due, so that no fire time waits for the poll. */
export interface DueTimer {
  /** From now on `onDue` is called when a schedule is due; the advance loop is the one that starts it. */
  start(onDue: () => void): void
  stop(): void
  /** A schedule is due at `at`, epoch milliseconds. A moment beyond the next poll is left to the poll. */
  wakeAt(at: number): void
}

/** `pollMs`: from one poll of the store to the next, milliseconds. */
export function createDueTimer(clock: Clock, pollMs: number): DueTimer {
  let next: { at: number; timer: Timer } | null = null
  let onDue: (() => void) | null = null

  function disarm(): void {
    next?.timer.cancel()
    next = null
  }

  return {
    start(listener) {
      onDue = listener
    },
    stop() {
      onDue = null
      disarm()
    },
    wakeAt(at) {
      const now = clock.now()
      if (at <= now) onDue?.()
      if (at <= now || at > now + pollMs || (next && next.at <= at)) return
      disarm()
      const ring = () => {
        next = null
        onDue?.()
      }
      next = { at, timer: clock.callAt(at, ring) }
    },
  }
}
