/**
 * A period in which a zone keeps one offset. Inside it local time is plain arithmetic, so everything about
 * clock changes happens where one period meets the next. Epoch milliseconds; `offset` = local time - UTC.
 */
export interface OffsetPeriod {
  readonly start: number
  /** The first moment of the next period; Infinity when the zone changes no more. */
  readonly end: number
  readonly offset: number
  /**
   * What the local clock would have shown at `start` without the change. Smaller than `start + offset`: the local times
   * between do not exist. Greater: they come a second time.
   */
  readonly reached: number
}

export interface Zone {
  /** The IANA name in its usual spelling. */
  readonly name: string
  periodAt(at: number): OffsetPeriod
}

/** Periods that a zone remembers: over a hundred years of two changes each; then it starts anew. */
const rememberedPeriods = 256

/** Zones by name in its usual spelling, so there are at most as many as the tz database has. */
const zones = new Map<string, Zone>()

const namePattern = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/

/** The zone of an IANA name, in any case (`europe/berlin`); null for everything else, offsets such as `+01:00` included. */
export function openZone(name: string): Zone | null {
  const known = zones.get(name)
  if (known) return known
  const spelled = namePattern.test(name) ? usualSpelling(name) : null
  if (spelled === null) return null
  const zone = zones.get(spelled) ?? createZone(spelled)
  zones.set(spelled, zone)
  return zone
}

/** Whether it names a zone of the IANA tz database. */
export function isTimeZone(name: string): boolean {
  return openZone(name) !== null
}

function usualSpelling(name: string): string | null {
  try {
    return new Temporal.ZonedDateTime(0n, name).timeZoneId
  } catch {
    return null
  }
}

function createZone(name: string): Zone {
  let latest = readPeriod(name, 0)
  const remembered = [latest]
  return {
    name,
    periodAt(at) {
      if (at >= latest.start && at < latest.end) return latest
      const index = indexAfter(remembered, at)
      const found = remembered[index - 1]
      latest = found && at < found.end ? found : readPeriod(name, at)
      if (latest === found) return latest
      if (remembered.length === rememberedPeriods) remembered.length = 0
      remembered.splice(index, 0, latest)
      return latest
    },
  }
}

/** How many of the periods, in order of time, start at or before `at`. */
function indexAfter(periods: readonly OffsetPeriod[], at: number): number {
  let low = 0
  let high = periods.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((periods[middle] as OffsetPeriod).start <= at) low = middle + 1
    else high = middle
  }
  return low
}

function readPeriod(name: string, at: number): OffsetPeriod {
  const moment = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(name)
  const before = moment.add({ nanoseconds: 1 }).getTimeZoneTransition('previous')
  const after = moment.getTimeZoneTransition('next')
  const start = before?.epochMilliseconds ?? -Infinity
  return {
    start,
    end: after?.epochMilliseconds ?? Infinity,
    offset: moment.offsetNanoseconds / 1e6,
    reached: before ? start + before.subtract({ nanoseconds: 1 }).offsetNanoseconds / 1e6 : -Infinity,
  }
}

/** No zone is further from UTC than this, milliseconds (the farthest there ever was: 15 h 13 min). */
const farthestOffset = 16 * 3_600_000

/**
 * The first moment at which the local clock shows `localTime` or has passed it: a local time that does not exist becomes the
 * moment after the jump, one that comes twice the first of the two. Local times are milliseconds as if local were UTC.
 */
export function firstMomentOf(zone: Zone, localTime: number): number {
  let period = zone.periodAt(localTime - farthestOffset)
  while (localTime >= period.end + period.offset) period = zone.periodAt(period.end)
  return Math.max(period.start, localTime - period.offset)
}
