/** Items of a batch that are worked on before timers and other callers have their turn. */
const sliceItems = 50

/** Works through batches without blocking the event loop. */
export interface Slices {
  /** The answers of `work` for each slice of at most 50 items, in their order. Each slice has an iteration of the loop to itself. */
  each<T, R>(items: readonly T[], work: (slice: readonly T[], from: number) => R | Promise<R>): Promise<R[]>
}

/**
 * One for all batches of a service. Of many batches at the same time one slice is worked on in each iteration of the event loop,
 * first in, first out, so that due timers wait for one slice at most.
 */
export function createSlices(): Slices {
  const waiting: (() => void)[] = []

  const next = (): void => {
    waiting.shift()?.()
    if (waiting.length > 0) setImmediate(next)
  }
  const turn = () =>
    new Promise<void>((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(next)
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
