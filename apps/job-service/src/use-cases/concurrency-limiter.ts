/** Bounds how many tasks of each key run at a time, so that the tasks of one key do not hold up those of others. */
export interface ConcurrencyLimiter {
  /** Runs the task, at once or when an earlier one of this key has ended; null when too many tasks wait already. */
  run<T>(key: string, task: () => Promise<T>): Promise<T | null>
}

interface Queue {
  running: number
  readonly waiting: (() => void)[]
}

/** `running` of each key run at a time, and `waiting` more wait for them, first in, first out. */
export function createConcurrencyLimiter(limits: { running: number; waiting: number }): ConcurrencyLimiter {
  const queues = new Map<string, Queue>()

  const leave = (key: string, queue: Queue) => {
    const next = queue.waiting.shift()
    if (next) return next()
    queue.running -= 1
    if (queue.running === 0) queues.delete(key)
  }

  return {
    async run(key, task) {
      const queue = queues.get(key) ?? { running: 0, waiting: [] }
      queues.set(key, queue)
      if (queue.running < limits.running) queue.running += 1
      else if (queue.waiting.length >= limits.waiting) return null
      else await new Promise<void>((start) => queue.waiting.push(start))
      try {
        return await task()
      } finally {
        leave(key, queue)
      }
    },
  }
}
