import fc from 'fast-check'

export const minuteMs = 60_000
export const dayMs = 86_400_000

export function changeAfter(zone: string, at: number): number | null {
  const moment = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone)
  return moment.getTimeZoneTransition('next')?.epochMilliseconds ?? null
}

/** Moments of 1993 to 2036 in whole steps, half of them within two days of one of the zone's changes. */
export function momentsIn(zone: string, stepMs: number): fc.Arbitrary<number> {
  const years = { min: Date.UTC(1993, 0, 1), max: Date.UTC(2036, 0, 1) }
  return fc
    .record({ at: fc.integer(years), near: fc.boolean(), before: fc.integer({ min: -dayMs / 12, max: 2 * dayMs }) })
    .map(({ at, near, before }) => {
      const change = near ? changeAfter(zone, at) : null
      return Math.floor((change === null ? at : change - before) / stepMs) * stepMs
    })
}
