/** Items of a batch that are worked on at once. */
const sliceItems = 50
/** How long slices follow each other in one iteration of the event loop, milliseconds; then timers and other callers have their turn. */
const iterationMs = 1

/** Works through batches without blocking the event loop. */
export interface Slices {
  /** The answers of `work` for each slice of at most 50 items, in their order. */
  each<T, R>(items: readonly T[], work: (slice: readonly T[], from: number) => R | Promise<R>): Promise<R[]>
}

/**
 * One for all batches of a service. Of many batches at the same time one slice is worked on after the other, first in, first out.
 * Once they have taken a millisecond the next one waits for the next iteration of the event loop, so that due timers wait for
 * that long and one slice at most. `now`: monotonic, milliseconds.
 */
export function createSlices(now: () => number = () => performance.now()): Slices {
  const waiting: (() => void)[] = []
  let isScheduled = false
  let until = 0

  function schedule(): void {
    isScheduled = true
    setImmediate(() => {
      until = now() + iterationMs
      next()
    })
  }

  /** The slice is worked on by the promises that follow; a tick comes once all of them are done. */
  function next(): void {
    waiting.shift()?.()
    queueMicrotask(() => process.nextTick(goOn))
  }

  function goOn(): void {
    isScheduled = waiting.length > 0
    if (!isScheduled) return
    if (now() < until) next()
    else schedule()
  }

  const turn = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve)
      if (!isScheduled) schedule()
    })

  return {
    async each(items, work) {
      const answers = []
      for (let from = 0; from < items.length; from += sliceItems) {
        await turn()
        answers.push(await work(items.slice(from, from + sliceItems), from))
      }
      return answers
    },
  }
}
