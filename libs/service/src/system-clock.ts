import type { Clock, Timer } from './clock.ts'
import { createTimerHeap } from './timer-heap.ts'

/** At most this many due calls run before the loop gets a turn, so that a thousand timers of one second delay no other work. */
const callsPerTurn = 50
/** A wait is never longer than this: a wall clock that is set forward, or a machine that wakes up, is noticed within it. */
const longestWallWaitMs = 1_000
/** `setTimeout` fires at once when it is asked for more than 2^31-1 ms. */
const longestWaitMs = 2_147_483_647

/** One heap, one pending `setTimeout` or `setImmediate`. `wait` waits for a call that is `leftMs` away. */
function createAlarm(time: () => number, wait: (leftMs: number) => number) {
  const heap = createTimerHeap()
  let seq = 0
  let armedFor = Number.POSITIVE_INFINITY
  let timeout: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined

  const disarm = () => {
    clearTimeout(timeout)
    clearImmediate(immediate)
    timeout = undefined
    immediate = undefined
    armedFor = Number.POSITIVE_INFINITY
  }

  const arm = () => {
    const first = heap.first()
    disarm()
    if (first === undefined) return
    armedFor = first.due
    const waitMs = wait(first.due - time())
    if (waitMs < 1) immediate = setImmediate(turn)
    else timeout = setTimeout(turn, waitMs)
  }

  const turn = () => {
    try {
      for (let calls = 0; calls < callsPerTurn; calls++) {
        const first = heap.first()
        if (first === undefined || first.due > time()) break
        heap.take()
        first.callback()
      }
    } finally {
      arm()
    }
  }

  return (due: number, callback: () => void): Timer => {
    // It compares with nothing, so it would keep every later call from being found.
    if (Number.isNaN(due)) throw new RangeError('a call needs a time')
    const entry = heap.add(due, seq++, callback)
    if (due < armedFor) arm()
    return {
      cancel() {
        entry.cancel()
        // An empty heap must not keep the process alive; a heap that has others just wakes up once for nothing.
        if (heap.size() === 0) disarm()
      },
    }
  }
}

/**
 * How `callAt` waits, given whole milliseconds of the wall clock that are left. The true rest lies up to 1 ms below that
 * number, since `Date.now()` rounds down, and `setTimeout` misses by up to 1 ms in either direction. So it sleeps one
 * millisecond less and then turns the loop (timers, I/O and all) until the clock shows the time: exact to a few dozen
 * microseconds, for at most some 2 ms of one core per distinct fire time. Waits that need no such care use `callAfter`.
 */
function waitForWall(leftMs: number): number {
  return Math.min(leftMs - 1, longestWallWaitMs)
}

/** `callAfter` sleeps without turning: periods, leases and time limits may be a millisecond late, and idling costs nothing. */
function waitForMonotonic(leftMs: number): number {
  return Math.min(Math.ceil(leftMs), longestWaitMs)
}

/**
 * The clocks of the machine. Every decision "is it due?" reads `Date.now()` (for `callAt`) or `performance.now()` (for
 * `callAfter`) itself, never an estimate, so nothing is early whatever the timers do: `performance.timeOrigin +
 * performance.now()` would be finer, but runs away from a wall clock that NTP bends. A time that is past calls back in the
 * next turn, never at once. Its timers keep the process alive while they are pending.
 */
export function createSystemClock(): Clock {
  const callAtWall = createAlarm(() => Date.now(), waitForWall)
  const callAtMonotonic = createAlarm(() => performance.now(), waitForMonotonic)
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    callAt: callAtWall,
    callAfter: (delayMs, callback) => callAtMonotonic(performance.now() + Math.max(0, delayMs), callback),
  }
}
