import type { ExecutorRow } from '../store/ports.ts'

/** One successful read of the executors' records; times are milliseconds on this machine's monotonic clock. */
interface Reading {
  readonly sentAt: number
  readonly answeredAt: number
  readonly rows: readonly ExecutorRow[]
}

interface Sighting {
  readonly beat: number
  /** How long the beat is known to stand still. */
  readonly silentMs: number
  /** From when on the next read adds to that: a read that sees a beat for the first time did so by its answer. */
  readonly seenAt: number
}

/** Notes what a read found, and answers the records that have been silent for a lease. */
export type Sightings = (reading: Reading) => readonly ExecutorRow[]

/**
 * How long executors are silent (docs/protocol.md step 13). Silence is the sum of the gaps between reads that succeeded and saw the same
 * beat; another beat begins anew. Of each gap at most a third of a lease counts: what is beyond it proves nothing, since the
 * store may have been away for all, or this process asleep, and it erases nothing. So an executor that beats at least once
 * in a lease is never found silent, however the reads come, because the sum is never above the time that has passed; and one that
 * is dead is found. With G the longest time from one read's being sent to the next one's answer, that takes at most
 * `max(lease, 3 G) + 2 G` from its last beat.
 */
export function createSightings(leaseMs: number): Sightings {
  let sightings = new Map<string, Sighting>()

  return ({ sentAt, answeredAt, rows }) => {
    const before = sightings
    sightings = new Map()
    const silent: ExecutorRow[] = []
    for (const row of rows) {
      if (row.gone) continue
      const known = before.get(row.instance)
      if (known?.beat !== row.beat) {
        sightings.set(row.instance, { beat: row.beat, silentMs: 0, seenAt: answeredAt })
        continue
      }
      const silentMs = known.silentMs + Math.min(sentAt - known.seenAt, leaseMs / 3)
      sightings.set(row.instance, { beat: row.beat, silentMs, seenAt: sentAt })
      if (silentMs >= leaseMs) silent.push(row)
    }
    return silent
  }
}
