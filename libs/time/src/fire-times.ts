/** The years in which there are fire times, epoch milliseconds: 1970 to 9999, as the API takes times (docs/guide/http-conventions.md). */
export const earliestFireAt = 0
export const latestFireAt = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/** The fire times of one schedule. Epoch milliseconds, whole; a fraction in an argument is as if it were not there. */
export interface FireTimes {
  /** The first fire time strictly after `after`, or null when there is none. */
  next(after: number): number | null
  /** The next `count` fire times after `after`; fewer when the schedule ends. */
  nextMany(after: number, count: number): number[]
  /** How many fire times lie in [from, to]. Arithmetic, not walking: a per-second cron over a year takes microseconds. */
  count(from: number, to: number): number
  /** The newest fire time in [from, upTo], or null. */
  last(from: number, upTo: number): number | null
}

/** What a kind of schedule must know: whole milliseconds within the years above. */
export interface FireTimesBody {
  /** The first fire time at or after `at`, or null. */
  firstFrom(at: number): number | null
  /** How many lie in [from, to], where `from` <= `to`. */
  countIn(from: number, to: number): number
}

export function createFireTimes(body: FireTimesBody): FireTimes {
  const { firstFrom, countIn } = body

  const firstAtOrAfter = (at: number) =>
    at <= latestFireAt ? firstFrom(Math.max(earliestFireAt, Math.ceil(at))) : null
  const next = (after: number) => firstAtOrAfter(Math.floor(after) + 1)

  return {
    next,
    nextMany(after, count) {
      const times: number[] = []
      for (let at = next(after); at !== null && times.length < count; at = next(at)) times.push(at)
      return times
    },
    count(from, to) {
      const first = Math.max(earliestFireAt, Math.ceil(from))
      const end = Math.min(latestFireAt, Math.floor(to))
      return first <= end ? countIn(first, end) : 0
    },
    last(from, upTo) {
      let newest = firstAtOrAfter(from)
      if (newest === null || !(newest <= upTo)) return null
      // Nothing lies after `high`; each iteration halves the range, so some forty reach over centuries.
      let high = Math.min(Math.floor(upTo), latestFireAt)
      while (newest < high) {
        const middle: number = newest + Math.ceil((high - newest) / 2)
        const found = firstFrom(middle)
        if (found !== null && found <= high) newest = found
        else high = middle - 1
      }
      return newest
    },
  }
}

/** Where the search for a fire time by its number begins, milliseconds; it doubles until it is there. */
const firstSpanMs = 86_400_000

/**
 * The `number`-th fire time after `after` (1 for the next one); null when there are fewer. What is counted once is not counted
 * again: spans that double reach it, and halving the last one finds it. So a near one costs little, whatever lies behind it.
 */
export function fireTimeNumber(times: FireTimes, after: number, number: number): number | null {
  let low = Math.floor(after) + 1
  let high = low
  /** Fire times from `low` on, up to the one that is looked for. */
  let left = number
  for (let spanMs = firstSpanMs; ; spanMs *= 2) {
    high = Math.min(low + spanMs, latestFireAt)
    const count = times.count(low, high)
    if (count >= left) break
    if (high === latestFireAt) return null
    left -= count
    low = high + 1
  }
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    const count = times.count(low, middle)
    if (count >= left) high = middle
    else {
      left -= count
      low = middle + 1
    }
  }
  return low
}

/** Only on trigger. */
export const noFireTimes: FireTimes = createFireTimes({ firstFrom: () => null, countIn: () => 0 })

/** One fire time. */
export function onceAt(runAt: number): FireTimes {
  return createFireTimes({
    firstFrom: (at) => (runAt >= at ? runAt : null),
    countIn: (from, to) => (runAt >= from && runAt <= to ? 1 : 0),
  })
}

/** `anchorAt` + k × `everyMs` for k = 0, 1, 2 …: counted from the anchor, so it does not drift. */
export function everyFrom(anchorAt: number, everyMs: number): FireTimes {
  const stepsBefore = (at: number) => Math.max(0, Math.ceil((at - anchorAt) / everyMs))
  return createFireTimes({
    firstFrom(at) {
      const fireAt = anchorAt + stepsBefore(at) * everyMs
      return fireAt <= latestFireAt ? fireAt : null
    },
    countIn: (from, to) => stepsBefore(to + 1) - stepsBefore(from),
  })
}
