import { percentile } from '../report.ts'

/** What a series of the soak may do while it counts as flat. */
export interface Tolerance {
  /** Growth over the judged time by the size of the series, 0 to 1. */
  readonly share: number
  /** Growth that is allowed whatever the share, in the unit of the series. */
  readonly least: number
}

/** A value that was seen at a time; both in any unit. */
export interface Point {
  readonly at: number
  readonly value: number
}

export interface Judgement {
  /** The median of the judged values. */
  readonly middle: number
  /** The growth over the judged time by the straight line through it; below 0 it shrinks. */
  readonly growth: number
  readonly allowed: number
  readonly isFlat: boolean
}

/** The first third is left out: caches fill, the compiler works, and files take the size that they need. */
const leftOut = 1 / 3

const median = (values: readonly number[]) => percentile(values, 0.5)

/**
 * The slope by Theil and Sen: the median of the slopes between all pairs of points. A few outliers, such as a minute in which the
 * machine did something else, leave it as it is, where least squares follow them.
 */
export function slopeOf(points: readonly Point[]): number {
  const slopes: number[] = []
  for (const [index, one] of points.entries()) {
    for (const other of points.slice(index + 1))
      if (other.at !== one.at) slopes.push((other.value - one.value) / (other.at - one.at))
  }
  return slopes.length === 0 ? 0 : median(slopes)
}

/**
 * The lowest point of each of `parts` equal parts of the time. The heap goes up until the next collection and down by it: its lowest
 * points are what is in use.
 */
export function lowestOf(points: readonly Point[], parts: number): Point[] {
  const [begin, end] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 0]
  const partOf = ({ at }: Point) => Math.min(parts - 1, Math.floor(((at - begin) / (end - begin || 1)) * parts))
  const groups = Map.groupBy(points, partOf)
  return [...groups.values()].map((some) => some.reduce((least, one) => (one.value < least.value ? one : least)))
}

/** Whether the last two thirds of a series are flat: their line does not rise by more than the tolerance allows. */
export function judge(points: readonly Point[], { share, least }: Tolerance): Judgement {
  const [begin, end] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 0]
  const from = begin + (end - begin) * leftOut
  const judged = points.filter(({ at }) => at >= from)
  const middle = median(judged.map(({ value }) => value))
  const growth = slopeOf(judged) * (end - from)
  const allowed = Math.max(least, share * middle)
  return { middle, growth, allowed, isFlat: growth <= allowed }
}
