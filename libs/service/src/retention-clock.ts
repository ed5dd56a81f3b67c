import { z } from 'zod'
import type { Clock } from './clock.ts'
import type { ServiceDeps } from './deps.ts'

/** The keys of the retention clock in the configuration of each service that deletes what is old. */
export const retentionClockConfig = {
  /**
   * Confirms the clock of this machine, however far it is from the time that was trusted last: retention goes on by it. One
   * start with it is enough.
   */
  retentionTrustClock: z.stringbool().default(false),
  /**
   * How far the clock may differ from the time that was trusted last plus the time since then, milliseconds. Beyond it
   * nothing is deleted. The default lies between a laptop's night and the 24 h of Idempotency-Key records.
   */
  retentionClockToleranceMs: z.coerce.number().int().min(60_000).max(518_400_000).default(72_000_000),
}

/** A moment that is trusted: `at` on the wall clock (epoch milliseconds) was `seenAt` on the monotonic clock. */
export interface TrustedMoment {
  readonly at: number
  readonly seenAt: number
}

/** The wall clock compared with the trusted time: within the tolerance, or further ahead or behind. */
type ClockState = 'trusted' | 'ahead' | 'behind'

/** One comparison of the clocks with the moment that was trusted last. Times are epoch milliseconds. */
export interface ClockComparison {
  readonly state: ClockState
  /** What the wall clock should show: the trusted moment plus the monotonic time since then. */
  readonly expectedAt: number
  /** By which ages are judged: never later than a trusted clock would show. */
  readonly now: number
}

/** `wall` and `monotonic` are the clocks now. A machine that sleeps stops the monotonic clock, so the tolerance bears that. */
export function readAgainst(
  { at, seenAt }: TrustedMoment,
  wall: number,
  monotonic: number,
  toleranceMs: number,
): ClockComparison {
  const expectedAt = at + Math.floor(monotonic - seenAt)
  if (Math.abs(wall - expectedAt) <= toleranceMs) return { state: 'trusted', expectedAt, now: wall }
  return { state: wall > expectedAt ? 'ahead' : 'behind', expectedAt, now: Math.min(wall, expectedAt) }
}

/** Where the trusted time survives a restart: the named moments in the store of the service, epoch milliseconds. */
export interface TrustedMarks {
  /** 0 when there is none. */
  read(name: string): Promise<number>
  write(name: string, at: number): Promise<void>
}
const markName = 'retention'

/** The time by which a service judges what is old enough to be deleted (docs/protocol.md step 15). */
export interface RetentionClock {
  /** Reads the mark. To be awaited before ages are judged. */
  open(): Promise<void>
  /** Epoch milliseconds: the wall clock while it is trusted, else the earlier of it and the trusted time. */
  now(): number
  /**
   * For one run of a loop that deletes: follows the wall clock while it is trusted (else the monotonic clock), writes the mark, and
   * logs when the state changes. Answers `now()`, or null while the clock is ahead: nothing may be deleted then.
   */
  turn(): Promise<number | null>
}

export interface RetentionClockOptions {
  readonly deps: Pick<ServiceDeps, 'clock' | 'log' | 'metrics' | 'health'>
  readonly marks: TrustedMarks
  readonly config: z.output<z.ZodObject<typeof retentionClockConfig>>
}

/** The mark is written at most this often, milliseconds: far below the tolerance, and turns in a row cost no writes. */
const markEveryMs = 60_000

const iso = (at: number) => new Date(at).toISOString()

const messages: Record<ClockState, string> = {
  trusted: 'the clock agrees with the trusted time again: retention goes on',
  ahead:
    'the clock is ahead of the trusted time: nothing is deleted until the clock is set right, or confirmed by a start ' +
    'with BELFRY_RETENTION_TRUST_CLOCK=true',
  behind: 'the clock is behind the trusted time: what is old is deleted that much later',
}

const notes: Record<ClockState, string | undefined> = {
  trusted: undefined,
  ahead: 'the clock is ahead of the trusted time: nothing is deleted',
  behind: 'the clock is behind the trusted time',
}

/**
 * A clock that jumps must not delete what is young. The wall clock is followed only while it stays near the time that was
 * trusted last, which is kept in the store, so that neither a restart nor rows with later times make a jump trusted.
 */
export function createRetentionClock({ deps, marks, config }: RetentionClockOptions): RetentionClock {
  const { clock, log, metrics, health } = deps
  const { retentionClockToleranceMs: toleranceMs, retentionTrustClock } = config
  let trusted = seen(clock, clock.now())
  let markedAt = 0
  let state: ClockState = 'trusted'

  const read = () => readAgainst(trusted, clock.now(), clock.monotonic(), toleranceMs)

  function report(comparison: ClockComparison): void {
    if (comparison.state === state) return
    state = comparison.state
    const times = { clockAt: iso(clock.now()), trustedAt: iso(comparison.expectedAt) }
    if (state === 'trusted') log.info(times, messages[state])
    else log.warn(times, messages[state])
  }

  async function writeMark(): Promise<void> {
    if (Math.abs(trusted.at - markedAt) < markEveryMs) return
    await marks.write(markName, trusted.at)
    markedAt = trusted.at
  }

  health.add('retention clock', () => notes[read().state])
  metrics.gauge(
    'belfry_retention_clock_ahead_seconds',
    'How far the clock is ahead of the trusted time; negative when it is behind',
    [],
    (gauge) => gauge.set({}, (clock.now() - read().expectedAt) / 1000),
  )

  return {
    async open() {
      markedAt = await marks.read(markName)
      trusted = seen(clock, markedAt || clock.now())
      const comparison = read()
      if (retentionTrustClock && comparison.state !== 'trusted') {
        log.warn({ clockAt: iso(clock.now()), trustedAt: iso(comparison.expectedAt) }, 'the clock is confirmed')
        trusted = seen(clock, clock.now())
      }
      report(read())
      await writeMark()
    },
    now: () => read().now,
    async turn() {
      const comparison = read()
      report(comparison)
      trusted = seen(clock, comparison.state === 'trusted' ? comparison.now : comparison.expectedAt)
      await writeMark()
      return comparison.state === 'ahead' ? null : comparison.now
    },
  }
}

function seen(clock: Clock, at: number): TrustedMoment {
  return { at, seenAt: clock.monotonic() }
}
