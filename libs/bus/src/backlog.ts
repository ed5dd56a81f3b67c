import type { Topic, TopicValues } from '@belfry/contracts'

/** How a store names its records. The relay compares it for equality only. */
export type RowKey = string | number

/** A record's whole state that is not known to be on the bus. */
export interface Unpublished<T extends Topic, K extends RowKey = RowKey> {
  readonly rowId: K
  /** Grows with every change of the record; the newest state is the one that counts. */
  readonly seq: number
  /** The job's id. */
  readonly key: string
  /** What it takes up while it waits, bytes (contracts, `messageSize`). */
  readonly size: number
  readonly value: TopicValues[T]
}

interface Entry<T extends Topic, K extends RowKey> {
  row: Unpublished<T, K>
  /** When the record began to wait, monotonic milliseconds. */
  readonly since: number
}

/** What a relay knows to be unpublished: the newest state of each record. The batch under way is kept apart. */
export interface Backlog<T extends Topic, K extends RowKey> {
  /**
   * Adds the states that are newer than what waits or is under way, while there is room; answers how many were. The
   * newer state of a record that waits already replaces the older one, whatever its size.
   */
  add(rows: readonly Unpublished<T, K>[], now: number): number
  /** The next batch within these bounds, now under way; one record is taken whatever its size. */
  take(bounds: Bounds): Unpublished<T, K>[]
  /** The batch under way is published. */
  done(): void
  /** The batch under way is not published: its states wait again, but for those of which a newer one waits. */
  putBack(): void
  /** Records that wait, without those under way. */
  size(): number
  /** When the record that waits longest began to wait; null when none waits. */
  oldest(): number | null
}

/** How many records, and what they take up together, bytes. */
interface Bounds {
  readonly rows: number
  readonly bytes: number
}

/** `limits`: what may wait. */
export function createBacklog<T extends Topic, K extends RowKey>(limits: Bounds): Backlog<T, K> {
  let waiting = new Map<K, Entry<T, K>>()
  let underWay = new Map<K, Entry<T, K>>()
  /** What waits takes up, without what is under way. */
  let bytes = 0

  function addOne(row: Unpublished<T, K>, now: number): boolean {
    const known = waiting.get(row.rowId)
    if (known) {
      if (known.row.seq >= row.seq) return false
      bytes += row.size - known.row.size
      known.row = row
      return true
    }
    const sent = underWay.get(row.rowId)
    if ((sent && sent.row.seq >= row.seq) || waiting.size >= limits.rows || bytes >= limits.bytes) return false
    waiting.set(row.rowId, { row, since: now })
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
      for (const [rowId, entry] of waiting) {
        if (underWay.size >= rows || (underWay.size > 0 && taken + entry.row.size > most)) break
        underWay.set(rowId, entry)
        waiting.delete(rowId)
        taken += entry.row.size
      }
      bytes -= taken
      return Array.from(underWay.values(), ({ row }) => row)
    },
    done: () => underWay.clear(),
    putBack() {
      for (const [rowId, { row, since }] of waiting) {
        const older = underWay.get(rowId)
        underWay.set(rowId, { row, since: older?.since ?? since })
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
