import type { Clock, Timer } from '@belfry/service'

interface Open {
  readonly due: number
  readonly onLate: () => void
}

/** The time limits of calls, of which nearly all are kept. */
export interface TimeLimits {
  /** Calls back in `ms` milliseconds unless it is cancelled before. */
  start(ms: number, onLate: () => void): Pick<Timer, 'cancel'>
}

/** Limits of one length are over in the order in which they began, so that one timer is enough for all of them. */
function createQueue(clock: Clock, ms: number): (onLate: () => void) => Pick<Timer, 'cancel'> {
  const open = new Set<Open>()
  let timer: Timer | undefined

  const check = (): void => {
    timer = undefined
    for (const one of open) {
      const leftMs = one.due - clock.monotonic()
      if (leftMs > 0) {
        timer = clock.callAfter(leftMs, check)
        return
      }
      open.delete(one)
      one.onLate()
    }
  }

  return (onLate) => {
    const one = { due: clock.monotonic() + ms, onLate }
    open.add(one)
    timer ??= clock.callAfter(ms, check)
    return {
      cancel() {
        open.delete(one)
        if (open.size > 0) return
        timer?.cancel()
        timer = undefined
      },
    }
  }
}

/** Lengths of limits that are remembered; there are a handful. */
const mostLengths = 100

/** A timer of its own for each call costs 6 µs, since those that were cancelled wait in the heap until their time. */
export function createTimeLimits(clock: Clock): TimeLimits {
  const queues = new Map<number, ReturnType<typeof createQueue>>()
  return {
    start(ms, onLate) {
      const queue = queues.get(ms) ?? createQueue(clock, ms)
      if (queues.size < mostLengths) queues.set(ms, queue)
      return queue(onLate)
    },
  }
}
