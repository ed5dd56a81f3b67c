/** Processes with all services that are at work at a time. */
export const processesAtATime = 2

/** Runs work, at most so much at a time; the rest waits for its turn. */
export type AtMost = <T>(work: () => Promise<T>) => Promise<T>

export function createAtMost(most: number): AtMost {
  const waiting: (() => void)[] = []
  let left = most
  return async (work) => {
    if (left === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    else left -= 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else left += 1
    }
  }
}
