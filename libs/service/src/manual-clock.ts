import type { Clock } from './clock.ts'
import { createTimerHeap, type Entry } from './timer-heap.ts'

/** A clock that a test advances. Both clocks advance together; `step` sets the wall clock alone. */
export interface ManualClock extends Clock {
  /**
   * Advances both clocks by `ms`, stopping at each due time to call back what is due (in the order in which it was asked
   * for) and to let promises, I/O and what they ask for finish. Rejects with what a callback throws.
   */
  advance(ms: number): Promise<void>
  /** Sets the wall clock forward or back by `ms`, as an operator or NTP does; calls nothing back by itself. */
  step(ms: number): void
  /** Calls still to come. */
  pending(): number
}

/** Lets promises and callbacks that wait for the event loop run. */
function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/**
 * A wait takes a microsecond at least: the rest of a rounded wait may be so small that the sum with the elapsed time does
 * not change, and a caller that waits for the rest again would come due at the same moment for ever.
 */
const waitOf = (delayMs: number) => (delayMs > 0 ? Math.max(delayMs, 0.001) : 0)

/** For tests. `startAt`: the wall clock at the start, epoch milliseconds; the monotonic clock starts at 0. */
export function createManualClock(startAt = Date.UTC(2026, 0, 1)): ManualClock {
  const wall = createTimerHeap()
  const waits = createTimerHeap()
  let elapsed = 0
  let wallOffset = startAt
  let seq = 0

  /** The next call and when it is due, in elapsed milliseconds. */
  const next = () => {
    const candidates: { due: number; entry: Entry; take: () => void }[] = []
    const atWall = wall.first()
    const atWait = waits.first()
    if (atWall) candidates.push({ due: Math.max(elapsed, atWall.due - wallOffset), entry: atWall, take: wall.take })
    if (atWait) candidates.push({ due: atWait.due, entry: atWait, take: waits.take })
    return candidates.sort((a, b) => a.due - b.due || a.entry.seq - b.entry.seq)[0]
  }

  return {
    now: () => Math.floor(wallOffset + elapsed),
    monotonic: () => elapsed,
    // Not before `now`, which is in whole milliseconds, shows the time: as with the system's clock.
    callAt: (at, callback) => wall.add(Math.ceil(at), seq++, callback),
    callAfter: (delayMs, callback) => waits.add(elapsed + waitOf(delayMs), seq++, callback),
    async advance(ms) {
      const target = elapsed + ms
      await flush()
      for (let call = next(); call && call.due <= target; call = next()) {
        elapsed = call.due
        call.take()
        call.entry.callback()
        await flush()
      }
      elapsed = target
    },
    step(ms) {
      wallOffset += ms
    },
    pending: () => wall.size() + waits.size(),
  }
}
