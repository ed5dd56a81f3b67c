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
  /** Its receiver has no use for it before, epoch milliseconds; absent: it has at once. */
  readonly neededAt?: number
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
  /**
   * The next batch within these bounds, now under way; one record is taken whatever its size. States that are needed soon go
   * first, and leave an eighth of a batch to the others.
   */
  take(bounds: Bounds): Unpublished<T, K>[]
  /** The batch under way is published. */
  done(): void
  /** The batch under way is not published: its states wait again, but for those of which a newer one waits. */
  putBack(): void
  /** Records that wait, without those under way. */
  size(): number
  /** Records of the batch under way. */
  underWay(): number
  /** When the record that waits longest began to wait; null when none waits. */
  oldest(): number | null
}

/** How many records, and what they take up together, bytes. */
interface Bounds {
  readonly rows: number
  readonly bytes: number
}

/** The part of a batch that states which are needed later have for themselves. */
const partOfLater = 8

/** `limits`: what may wait. `isSoon`: whether a state that is needed at that moment goes before the others. */
export function createBacklog<T extends Topic, K extends RowKey>(
  limits: Bounds,
  isSoon: (neededAt: number) => boolean = () => true,
): Backlog<T, K> {
  let soon = new Map<K, Entry<T, K>>()
  const later = new Map<K, Entry<T, K>>()
  let underWay = new Map<K, Entry<T, K>>()
  /** What waits takes up, without what is under way. */
  let bytes = 0

  const queueOf = ({ neededAt }: Unpublished<T, K>) => (neededAt === undefined || isSoon(neededAt) ? soon : later)

  /** A newer state of a record that waits takes its place, and goes to the other queue when it is needed sooner. */
  function replace(known: Entry<T, K>, row: Unpublished<T, K>): boolean {
    if (known.row.seq >= row.seq) return false
    bytes += row.size - known.row.size
    known.row = row
    if (queueOf(row) === soon && later.delete(row.rowId)) soon.set(row.rowId, known)
    return true
  }

  function addOne(row: Unpublished<T, K>, now: number): boolean {
    const known = soon.get(row.rowId) ?? later.get(row.rowId)
    if (known) return replace(known, row)
    const sent = underWay.get(row.rowId)
    const isFull = soon.size + later.size >= limits.rows || bytes >= limits.bytes
    if ((sent && sent.row.seq >= row.seq) || isFull) return false
    queueOf(row).set(row.rowId, { row, since: now })
    bytes += row.size
    return true
  }

  /** Moves the first records of a queue into the batch under way, which may then have so many rows; answers their bytes. */
  function move(queue: Map<K, Entry<T, K>>, rows: number, most: number): number {
    let taken = 0
    for (const [rowId, entry] of queue) {
      if (underWay.size >= rows || (underWay.size > 0 && taken + entry.row.size > most)) break
      underWay.set(rowId, entry)
      queue.delete(rowId)
      taken += entry.row.size
    }
    return taken
  }

  return {
    add: (rows, now) => rows.reduce((added, row) => added + (addOne(row, now) ? 1 : 0), 0),
    take({ rows, bytes: most }) {
      if (later.size === 0 && soon.size <= rows && bytes <= most) {
        underWay = soon
        soon = new Map()
        bytes = 0
      } else {
        const kept = Math.min(later.size, Math.floor(rows / partOfLater))
        let taken = move(soon, rows - kept, kept > 0 ? most - most / partOfLater : most)
        taken += move(later, rows, most - taken)
        taken += move(soon, rows, most - taken)
        bytes -= taken
      }
      return Array.from(underWay.values(), ({ row }) => row)
    },
    done: () => underWay.clear(),
    putBack() {
      const back = underWay
      underWay = new Map()
      const waiting = [...soon, ...later]
      soon = new Map()
      later.clear()
      for (const [rowId, { row, since }] of [...back, ...waiting]) {
        // The newer state of a record keeps the place of the older one.
        const known = soon.get(rowId) ?? later.get(rowId)
        if (known) replace(known, row)
        else queueOf(row).set(rowId, { row, since })
      }
      bytes = 0
      for (const queue of [soon, later]) for (const { row } of queue.values()) bytes += row.size
    },
    size: () => soon.size + later.size,
    underWay: () => underWay.size,
    oldest() {
      const firsts = [underWay, soon, later].flatMap((queue) => queue.values().next().value?.since ?? [])
      return firsts.length === 0 ? null : Math.min(...firsts)
    },
  }
}
