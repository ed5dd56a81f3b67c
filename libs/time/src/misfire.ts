import type { FireTimes } from './fire-times.ts'

/** time.md, "Late: misfire", policy run-once. Milliseconds. */
export interface MisfireRule {
  /** A fire time is late once it is this old and could not be handed over. */
  afterMs: number
  /** How old the newest late one may be to run still; Infinity: however late (one-shots). */
  withinMs: number
}

/** The result of applying the misfire rule to a schedule. `missed` is a row of the fire log: `count` fire times in [from, to]. */
export interface MisfireOutcome {
  missed: { from: number; to: number; count: number } | null
  /** The late fire time that runs now. */
  fireAt: number | null
  /** The first fire time that is not late; null when the schedule ends. */
  nextFireAt: number | null
}

/**
 * Applies the misfire rule to the late fire times at `now`: `nextFireAt` (the schedule's position, which counts even if `times`
 * no longer has it, say after a change of the zone's rules) and all after it up to `now - afterMs`, bound
 * included. The newest of them runs unless it is older than `withinMs`; the others are missed. Every late fire time is
 * accounted for once: in `missed` or as `fireAt`.
 */
export function resolveMisfire(times: FireTimes, nextFireAt: number, now: number, rule: MisfireRule): MisfireOutcome {
  const bound = now - rule.afterMs
  if (nextFireAt > bound) return { missed: null, fireAt: null, nextFireAt }
  const newest = times.last(nextFireAt + 1, bound) ?? nextFireAt
  const count = 1 + times.count(nextFireAt + 1, newest)
  const following = times.next(newest)
  if (now - newest > rule.withinMs) {
    return { missed: { from: nextFireAt, to: newest, count }, fireAt: null, nextFireAt: following }
  }
  const to = times.last(nextFireAt + 1, newest - 1) ?? nextFireAt
  const missed = count > 1 ? { from: nextFireAt, to, count: count - 1 } : null
  return { missed, fireAt: newest, nextFireAt: following }
}
