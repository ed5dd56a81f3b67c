import type { JobClock } from '../context.ts'

/** A clock whose waits take no time: while nothing else is to be done, it moves on to the next one. */
export interface TestClock extends JobClock {
  /** How far it has moved, milliseconds. */
  passed(): number
}

interface Wait {
  readonly at: number
  readonly callback: () => void
}

/** `startAt` in epoch milliseconds. */
export function createTestClock(startAt: number = Date.UTC(2026, 0, 1)): TestClock {
  let now = startAt
  const waits = new Set<Wait>()
  let isMoving = false

  function move(): void {
    isMoving = false
    const next = [...waits].sort((one, other) => one.at - other.at)[0]
    if (next === undefined) return
    waits.delete(next)
    now = Math.max(now, next.at)
    next.callback()
    moveLater()
  }
  function moveLater(): void {
    if (isMoving || waits.size === 0) return
    isMoving = true
    setImmediate(move)
  }

  return {
    now: () => now,
    passed: () => now - startAt,
    callAfter(delayMs, callback) {
      const wait = { at: now + Math.max(0, delayMs), callback }
      waits.add(wait)
      moveLater()
      return { cancel: () => void waits.delete(wait) }
    },
  }
}
