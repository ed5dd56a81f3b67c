import type { Violation } from '../violation.ts'
import type { Result } from './simulate.ts'

/** A result as one thread hands it to another. */
export interface Summary {
  readonly seed: number
  /** Of the history; null where it was not asked for. */
  readonly hash: string | null
  readonly lastedMs: number
  readonly violations: readonly Violation[]
  readonly counts: readonly (readonly [name: string, count: number])[]
  /** Of the job concerned by the first violation that is about one; empty without a violation. */
  readonly timeline: readonly string[]
}

export function summaryOf(result: Result, isHashed = false): Summary {
  const { seed, lastedMs, violations, counts, timelineOf } = result
  const first = violations.find(({ subject }) => subject !== 'world') ?? violations[0]
  const hash = isHashed ? result.hash() : null
  return { seed, hash, lastedMs, violations, counts: [...counts], timeline: first ? timelineOf(first) : [] }
}
