import { firstMomentOf, openZone, type Zone } from './zone.ts'

function requireZone(name: string): Zone {
  const zone = openZone(name)
  if (!zone) throw new RangeError(`unknown time zone "${name}"`)
  return zone
}

/**
 * A moment as the zone's clock shows it, with its offset and name: `2026-12-01T09:00:00+01:00[Europe/Berlin]`. `at` in
 * epoch milliseconds, shown when it has some. Throws RangeError for a zone that `isTimeZone` does not know.
 */
export function localText(at: number, zone: string): string {
  const { name } = requireZone(zone)
  return name === 'UTC' ? utcText(at) : Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(name).toString()
}

/** Most jobs name no zone: without Temporal their text costs a tenth. */
function utcText(at: number): string {
  return new Date(at).toISOString().replace(/\.?0*Z$/, '+00:00[UTC]')
}

const zoneless = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)$/

/**
 * The epoch milliseconds of a local time without an offset (`2024-01-01T10:00:00`), read in the zone. A time that a clock
 * change skips is the first moment after the jump, one that comes twice is the first of the two: the rules of fixed cron
 * times. Throws RangeError for a text that is no such time and for an unknown zone: both are checked before.
 */
export function readZoneless(text: string, zone: string): number {
  const parts = zoneless.exec(text)
  const localTime = parts ? Date.parse(`${parts[1]}T${parts[2]}Z`) : Number.NaN
  if (Number.isNaN(localTime) || !parts || !new Date(localTime).toISOString().startsWith(parts[1] as string)) {
    throw new RangeError(`"${text}" is not a local time such as 2026-12-01T09:00:00`)
  }
  return firstMomentOf(requireZone(zone), localTime)
}
