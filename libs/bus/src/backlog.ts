import type { Topic, TopicValues } from '@belfry/contracts'

/** A record's whole state that is not known to be on the bus. */
export interface Unpublished<T extends Topic> {
  /** The record's handle in its store. */
  readonly n: number
  /** Grows with every change of the record; the newest state is the one that counts. */
  readonly seq: number
  /** The job's id. */
  readonly key: string
  readonly value: TopicValues[T]
}

interface Entry<T extends Topic> {
  row: Unpublished<T>
  /** When the record began to wait, monotonic milliseconds. */
  readonly since: number
}

/** What a relay knows to be unpublished: the newest state of each record, those under way apart. */
export interface Backlog<T extends Topic> {
  /** Keeps what is newer than what waits or is under way, while there is room; answers how many were. */
  add(rows: readonly Unpublished<T>[], now: number): number
  /** The next batch, now under way. */
  take(limit: number): Unpublished<T>[]
  /** The batch under way is through. */
  done(): void
  /** The batch under way is not through: it waits again, unless newer states do. */
  putBack(): void
  /** Records that wait, without those under way. */
  size(): number
  /** Since when the first of all has been waiting, null when none is. */
  oldest(): number | null
}

/** `limit`: records that may wait. */
export function createBacklog<T extends Topic>(limit: number): Backlog<T> {
  let waiting = new Map<number, Entry<T>>()
  let underWay = new Map<number, Entry<T>>()

  function addOne(row: Unpublished<T>, now: number): boolean {
    const known = waiting.get(row.n)
    if (known) {
      if (known.row.seq >= row.seq) return false
      known.row = row
      return true
    }
    const sent = underWay.get(row.n)
    if ((sent && sent.row.seq >= row.seq) || waiting.size >= limit) return false
    waiting.set(row.n, { row, since: now })
    return true
  }

  return {
    add: (rows, now) => rows.reduce((added, row) => added + (addOne(row, now) ? 1 : 0), 0),
    take(count) {
      if (waiting.size <= count) {
        underWay = waiting
        waiting = new Map()
      }
      for (const [n, entry] of waiting) {
        if (underWay.size >= count) break
        underWay.set(n, entry)
        waiting.delete(n)
      }
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
    },
    size: () => waiting.size,
    oldest() {
      const first = underWay.values().next().value ?? waiting.values().next().value
      return first?.since ?? null
    },
  }
}
