import type { Violation } from '../violation.ts'
import type { Result } from './simulate.ts'

/** A result as one thread hands it to another. */
export interface Summary {
  readonly seed: number
  readonly hash: string
  readonly lastedMs: number
  readonly violations: readonly Violation[]
  readonly counts: readonly (readonly [name: string, count: number])[]
  /** Of the job concerned by the first violation; empty without one. */
  readonly timeline: readonly string[]
}

export function summaryOf({ seed, hash, lastedMs, violations, counts, timelineOf }: Result): Summary {
  const [first] = violations
  return { seed, hash, lastedMs, violations, counts: [...counts], timeline: first ? timelineOf(first) : [] }
}
