import type { Clock } from '@belfry/service'
import type { EventLoop } from './event-loop.ts'

/**
 * What one life of a process runs on: its clocks, and the door through which everything reaches it. After `kill` nothing passes any
 * more; while it is frozen, as by SIGSTOP, everything waits until `thaw`.
 */
export interface Machine {
  readonly clock: Clock
  readonly isAlive: boolean
  readonly isFrozen: boolean
  /** Calls back at once, when the process goes on, or never. */
  deliver(callback: () => void): void
  kill(): void
  freeze(): void
  thaw(): void
  /** Sets the wall clock by `ms`. */
  step(ms: number): void
  /** How far its wall clock is from the world's, milliseconds. */
  skewMs(): number
}

/** The shortest wait, milliseconds. */
const leastWaitMs = 0.001

/** `startAt`: the wall clock when the world began, epoch milliseconds; `skewMs`: by how much this one differs. */
export function createMachine(loop: EventLoop, startAt: number, skewMs: number): Machine {
  let skew = skewMs
  let isAlive = true
  let isFrozen = false
  let held: (() => void)[] = []
  const bornAt = loop.now()
  const now = () => Math.floor(startAt + loop.now() + skew)
  const monotonic = () => loop.now() - bornAt

  function deliver(callback: () => void): void {
    if (!isAlive) return
    if (isFrozen) held.push(callback)
    else callback()
  }

  /** Waits until `leftMs` says that it is due: the wall clock may be set meanwhile. */
  function call(leftMs: () => number, longestMs: number, callback: () => void) {
    let isCancelled = false
    const arm = () => loop.after(Math.min(longestMs, Math.max(0, leftMs())), fire)
    const fire = () => {
      if (isCancelled || !isAlive) return
      if (isFrozen) held.push(fire)
      else if (leftMs() > 0) timer = arm()
      else callback()
    }
    let timer = arm()
    return {
      cancel() {
        isCancelled = true
        timer.cancel()
      },
    }
  }

  // The clock of the machine looks at the wall clock every second (libs/service/src/system-clock.ts).
  const clock: Clock = {
    now,
    monotonic,
    callAt: (at, callback) => call(() => Math.ceil(at) - now(), 1_000, callback),
    callAfter(delayMs, callback) {
      // As with the manual clock: the rest of a rounded wait may be too small to change the sum.
      const due = monotonic() + (delayMs > 0 ? Math.max(delayMs, leastWaitMs) : 0)
      return call(() => (due - monotonic() > 1e-6 ? due - monotonic() : 0), Number.POSITIVE_INFINITY, callback)
    },
  }

  return {
    clock,
    get isAlive() {
      return isAlive
    },
    get isFrozen() {
      return isFrozen
    },
    deliver,
    kill() {
      isAlive = false
      held = []
    },
    freeze() {
      isFrozen = true
    },
    thaw() {
      if (!isFrozen) return
      isFrozen = false
      const due = held
      held = []
      for (const callback of due) callback()
    },
    step(ms) {
      skew += ms
    },
    skewMs: () => skew,
  }
}
