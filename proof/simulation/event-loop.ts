import { createTimerHeap } from '../../libs/service/src/timer-heap.ts'

/** The one event loop of a simulated world: time passes only from one event to the next, when nothing else is left to do. */
export interface EventLoop {
  /** Milliseconds since the world began. */
  now(): number
  /** Calls back in `delayMs`; what is due together is called in the order in which it was asked for. */
  after(delayMs: number, callback: () => void): { cancel(): void }
  /** Lets everything happen that is due before or at `until`, milliseconds since the world began. */
  runUntil(until: number): Promise<void>
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
  /** How many events have happened. */
  events(): number
}

const realSetImmediate = globalThis.setImmediate
const realClearImmediate = globalThis.clearImmediate

/** Callbacks that wait for the next iteration of the event loop of the machine. */
const waiting = new Set<NodeJS.Immediate>()

/**
 * Counts the callbacks that wait for the machine's next iteration, so that the simulated time stands still meanwhile. Answers the
 * function that ends it.
 */
export function countImmediates(): () => void {
  const counted = (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    const immediate = realSetImmediate(() => {
      waiting.delete(immediate)
      callback(...args)
    })
    waiting.add(immediate)
    return immediate
  }
  globalThis.setImmediate = counted as typeof setImmediate
  globalThis.clearImmediate = (immediate) => {
    if (immediate) waiting.delete(immediate)
    realClearImmediate(immediate)
  }
  return () => {
    globalThis.setImmediate = realSetImmediate
    globalThis.clearImmediate = realClearImmediate
  }
}

/** Promises and `process.nextTick` are empty once an iteration has passed. */
const iteration = () => new Promise<void>((resolve) => void realSetImmediate(resolve))

/** Iterations that one event may need, and events that a world may have: beyond them something goes round and round. */
const mostIterations = 10_000
const mostEvents = 100_000

export function createEventLoop(): EventLoop {
  const heap = createTimerHeap()
  let now = 0
  let order = 0
  let happened = 0

  async function settle(): Promise<void> {
    let iterations = 0
    do {
      if (iterations++ > mostIterations) throw new Error(`the world does not settle at ${now} ms`)
      await iteration()
    } while (waiting.size > 0)
  }

  return {
    now: () => now,
    after: (delayMs, callback) => heap.add(now + Math.max(0, delayMs), order++, callback),
    async runUntil(until) {
      for (let event = heap.first(); event && event.due <= until; event = heap.first()) {
        heap.take()
        now = event.due
        happened += 1
        if (happened > mostEvents) throw new Error(`the world has had ${happened} events at ${now} ms`)
        event.callback()
        await settle()
      }
      now = Math.max(now, until)
    },
    settle,
    events: () => happened,
  }
}
