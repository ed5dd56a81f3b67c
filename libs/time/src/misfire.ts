import type { FireTimes } from './fire-times.ts'

/**
 * docs/schedules.md, "Late: misfire". `run-once`: the newest late fire time runs. `run-all`: the oldest `cap` of them run. `skip`: none of
 * them runs. One that is older than `withinMs` (milliseconds) never runs.
 */
export interface MisfireRule {
  policy: 'run-once' | 'run-all' | 'skip'
  withinMs: number
  cap: number
}

/**
 * `run`, or the reason that late fire times are missed. `too-old`: older than `withinMs`. `over-cap`: `cap` older ones run.
 * `overdue`: late, and the policy runs a newer one or none.
 */
export type LateOutcome = 'run' | 'too-old' | 'overdue' | 'over-cap'

/** Fire times with the same outcome: `count` of them, the first at `from`, the last at `to`. Epoch milliseconds. */
export interface LateSegment {
  from: number
  to: number
  count: number
  outcome: LateOutcome
}

/**
 * What becomes of the late fire times at `now`: `nextFireAt` (the schedule's position, which counts even if `times` no longer
 * has it, say after a change of the zone's rules) and all after it up to `lateUpTo`, that included. Every one of them is in one
 * segment; the segments are in the order of time. None when nothing is late.
 */
export function resolveMisfire(
  times: FireTimes,
  nextFireAt: number,
  { lateUpTo, now }: { lateUpTo: number; now: number },
  rule: MisfireRule,
): LateSegment[] {
  if (nextFireAt > lateUpTo) return []
  const newest = newestUpTo(times, nextFireAt, lateUpTo)
  if (rule.policy === 'skip') return [segment(times, nextFireAt, newest, 'overdue')]
  const oldest = now - rule.withinMs
  if (nextFireAt >= oldest) return young(times, nextFireAt, newest, rule)
  const tooOld = newestUpTo(times, nextFireAt, Math.min(newest, Math.ceil(oldest) - 1))
  const first = tooOld < newest ? times.next(tooOld) : null
  const old = segment(times, nextFireAt, tooOld, 'too-old')
  return first === null ? [old] : [old, ...young(times, first, newest, rule)]
}

/** The late ones that are young enough to run, from `first` to `newest`. */
function young(times: FireTimes, first: number, newest: number, { policy, cap }: MisfireRule): LateSegment[] {
  if (policy === 'run-once')
    return splitAfter(times, first, newest, newestUpTo(times, first, newest - 1), 'overdue', 'run')
  return splitAfter(times, first, newest, fireAtOf(times, first, cap), 'run', 'over-cap')
}

/** Two segments, the first one up to `middle`; one where either is empty. */
function splitAfter(
  times: FireTimes,
  first: number,
  newest: number,
  middle: number,
  before: LateOutcome,
  after: LateOutcome,
): LateSegment[] {
  if (first === newest) return [segment(times, first, newest, 'run')]
  if (middle >= newest) return [segment(times, first, newest, before)]
  const rest = times.next(middle) as number
  return [segment(times, first, middle, before), segment(times, rest, newest, after)]
}

/** The newest fire time up to `upTo`, at least `from`. */
function newestUpTo(times: FireTimes, from: number, upTo: number): number {
  return times.last(from + 1, upTo) ?? from
}

/** The `number`-th fire time, where `first` is the first; the last one where there are fewer. */
function fireAtOf(times: FireTimes, first: number, number: number): number {
  return times.nextMany(first, number - 1).at(-1) ?? first
}

function segment(times: FireTimes, from: number, to: number, outcome: LateOutcome): LateSegment {
  return { from, to, count: 1 + times.count(from + 1, to), outcome }
}

/** The part of a segment up to `upTo`; null when it begins later. */
export function segmentUpTo(times: FireTimes, whole: LateSegment, upTo: number): LateSegment | null {
  if (whole.to <= upTo) return whole
  return whole.from > upTo ? null : segment(times, whole.from, newestUpTo(times, whole.from, upTo), whole.outcome)
}
