/** Bounds how much work of one kind each key has under way, so that no key keeps the others from theirs. */
export interface Turns {
  /** Runs the work, at once or when an earlier one of this key has ended; null when too many of them wait already. */
  run<T>(key: string, work: () => Promise<T>): Promise<T | null>
}

interface Queue {
  atWork: number
  readonly waiting: (() => void)[]
}

/** `atWork` of each key run at a time, and `waiting` more wait for them in the order in which they came. */
export function createTurns({ atWork, waiting }: { atWork: number; waiting: number }): Turns {
  const queues = new Map<string, Queue>()

  const leave = (key: string, queue: Queue) => {
    const next = queue.waiting.shift()
    if (next) return next()
    queue.atWork -= 1
    if (queue.atWork === 0) queues.delete(key)
  }

  return {
    async run(key, work) {
      const queue = queues.get(key) ?? { atWork: 0, waiting: [] }
      queues.set(key, queue)
      if (queue.atWork < atWork) queue.atWork += 1
      else if (queue.waiting.length >= waiting) return null
      else await new Promise<void>((start) => queue.waiting.push(start))
      try {
        return await work()
      } finally {
        leave(key, queue)
      }
    },
  }
}
