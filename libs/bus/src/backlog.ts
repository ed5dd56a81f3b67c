import type { Topic, TopicValues } from '@belfry/contracts'

/** A record's whole state that is not known to be on the bus. */
export interface Unpublished<T extends Topic> {
  /** The record's handle in its store. */
  readonly n: number
  /** Grows with every change of the record; the newest state is the one that counts. */
  readonly seq: number
  /** The job's id. */
  readonly key: string
  /** What it takes up while it waits, bytes (contracts, `messageSize`). */
  readonly size: number
  readonly value: TopicValues[T]
}

interface Entry<T extends Topic> {
  row: Unpublished<T>
  /** When the record began to wait, monotonic milliseconds. */
  readonly since: number
}

/** What a relay knows to be unpublished: the newest state of each record, those under way apart. */
export interface Backlog<T extends Topic> {
  /**
   * Keeps what is newer than what waits or is under way, while there is room; answers how many were. A record that waits
   * already gives way to its newer state whatever its size.
   */
  add(rows: readonly Unpublished<T>[], now: number): number
  /** The next batch within these bounds, now under way; one record is taken whatever its size. */
  take(bounds: Bounds): Unpublished<T>[]
  /** The batch under way is through. */
  done(): void
  /** The batch under way is not through: it waits again, unless newer states do. */
  putBack(): void
  /** Records that wait, without those under way. */
  size(): number
  /** Since when the first of all has been waiting, null when none is. */
  oldest(): number | null
}

/** How many records, and what they take up together, bytes. */
interface Bounds {
  readonly rows: number
  readonly bytes: number
}

/** `limits`: what may wait. */
export function createBacklog<T extends Topic>(limits: Bounds): Backlog<T> {
  let waiting = new Map<number, Entry<T>>()
  let underWay = new Map<number, Entry<T>>()
  /** What waits takes up, without what is under way. */
  let bytes = 0

  function addOne(row: Unpublished<T>, now: number): boolean {
    const known = waiting.get(row.n)
    if (known) {
      if (known.row.seq >= row.seq) return false
      bytes += row.size - known.row.size
      known.row = row
      return true
    }
    const sent = underWay.get(row.n)
    if ((sent && sent.row.seq >= row.seq) || waiting.size >= limits.rows || bytes >= limits.bytes) return false
    waiting.set(row.n, { row, since: now })
    bytes += row.size
    return true
  }

  return {
    add: (rows, now) => rows.reduce((added, row) => added + (addOne(row, now) ? 1 : 0), 0),
    take({ rows, bytes: most }) {
      if (waiting.size <= rows && bytes <= most) {
        underWay = waiting
        waiting = new Map()
        bytes = 0
      }
      let taken = 0
      for (const [n, entry] of waiting) {
        if (underWay.size >= rows || (underWay.size > 0 && taken + entry.row.size > most)) break
        underWay.set(n, entry)
        waiting.delete(n)
        taken += entry.row.size
      }
      bytes -= taken
      return Array.from(underWay.values(), ({ row }) => row)
    },
    done: () => underWay.clear(),
    putBack() {
      for (const [n, { row, since }] of waiting) {
        const older = underWay.get(n)
        underWay.set(n, { row, since: older?.since ?? since })
      }
      waiting = underWay
      underWay = new Map()
      bytes = 0
      for (const { row } of waiting.values()) bytes += row.size
    },
    size: () => waiting.size,
    oldest() {
      const first = underWay.values().next().value ?? waiting.values().next().value
      return first?.since ?? null
    },
  }
}
