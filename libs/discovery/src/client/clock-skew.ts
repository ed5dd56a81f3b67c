import type { Clock } from '@belfry/service'

/** `Date` counts whole seconds (RFC 9110, 6.6.1). */
const stepMs = 1_000
/** Shortest time between two answers that are looked at, milliseconds. */
const sampleMs = 1_000

/** How far the clock of an instance is from the own one, by the `Date` of its answers (docs/protocol.md, steps). */
export interface ClockSkew {
  /** Looks at an answer to a call that began at `calledAt`, epoch milliseconds. */
  sample(date: string | string[] | undefined, calledAt: number): void
  /**
   * Milliseconds; positive when the instance's clock is ahead. 0 while the clocks agree within that step, null before the
   * first answer with a `Date`. A step of the own clock since that answer counts.
   */
  ms(): number | null
}

export function createClockSkew(clock: Clock): ClockSkew {
  let skewMs: number | null = null
  let sampledAt = Number.NEGATIVE_INFINITY
  /** By how much the own wall clock was ahead of the monotonic one at the sample. */
  let offsetMs = 0
  return {
    sample(date, calledAt) {
      if (clock.monotonic() - sampledAt < sampleMs) return
      const earliest = Date.parse(String(date))
      if (Number.isNaN(earliest)) return
      sampledAt = clock.monotonic()
      offsetMs = clock.now() - sampledAt
      const latest = earliest + stepMs
      if (earliest > clock.now()) skewMs = earliest - clock.now()
      else skewMs = latest < calledAt ? latest - calledAt : 0
    },
    ms() {
      if (skewMs === null) return null
      const steppedMs = clock.now() - clock.monotonic() - offsetMs
      // Both clocks of a machine are read one after the other, and the wall clock is slewed by NTP.
      return Math.abs(steppedMs) < stepMs ? skewMs : skewMs - steppedMs
    },
  }
}
