/** The years in which there are fire times, epoch milliseconds: 1970 to 9999, as the API takes times (api.md, caps). */
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

/**
 * The `number`-th fire time after `after` (1 for the next one); null when there are fewer. By halving the span of years, so it
 * takes as long for the millionth as for the tenth.
 */
export function fireTimeNumber(times: FireTimes, after: number, number: number): number | null {
  const from = Math.floor(after) + 1
  if (times.count(from, latestFireAt) < number) return null
  let low = from
  let high = latestFireAt
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    if (times.count(from, middle) >= number) high = middle
    else low = middle + 1
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
