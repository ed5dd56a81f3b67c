import type { Clock, Health, Logger, Metrics } from '@belfry/service'
import { isTransient, reasonLimit, reasonOf } from './reason.ts'

/** What a list of changes says of each record besides its newest version or sequence number. */
export interface ChangedRow {
  readonly id: string
  /** Of the record's last change; the store that owns the record hands it out (contracts, `changesQuery`). */
  readonly changeNo: number
}

export interface ChangeList<Row> {
  /** In order of their change numbers. */
  readonly rows: readonly Row[]
  /** The newest change number that was handed out before the rows were read; 0 when there was none. */
  readonly head: number
  /** There are rows after the last one. */
  readonly hasMore: boolean
}

/** What became of some of the ids. Those that are named nowhere have no record any more. */
export interface FetchedRecords<T> {
  readonly records: readonly T[]
  /** Ids whose record cannot be read, and why. */
  readonly failed: readonly { readonly id: string; readonly reason: string }[]
}

/** A record that was not applied. `isLater`: only for want of room just now. */
export interface NotApplied {
  readonly id: string
  readonly reason: string
  readonly isLater?: boolean
}

export interface ReconcilerOptions<Row extends ChangedRow, T> {
  /** Names what is compared in log lines, metrics and the health check: `jobs`. */
  readonly name: string
  /** Lists the records of the other service with a change number above `after`, at most `limit` of them. */
  readonly list: (after: number, limit: number) => Promise<ChangeList<Row>>
  /** Answers the ids of the rows that are newer than what is stored here. */
  readonly compare: (rows: readonly Row[]) => Promise<readonly string[]>
  /** Reads whole records of the other service. Rejects when it does not answer. */
  readonly fetch: (ids: readonly string[]) => AsyncIterable<FetchedRecords<T>>
  /** Stores records; answers those that it did not store. Rejects when nothing can be stored. */
  readonly apply: (records: readonly T[]) => Promise<readonly NotApplied[]>
  readonly idOf: (record: T) => string
  /** The change number up to which everything was compared; survives restarts, 0 at first. */
  readonly cursor: { read(): Promise<number>; write(changeNo: number): Promise<void> }
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly health: Health
  /** Rows that are compared at once. */
  readonly rows: number
  /** Records that may be passed over and asked for again in each round; see `createReconciler`. */
  readonly skippedLimit: number
  /** How long after it was handed out a change number may be seen for the first time, milliseconds. */
  readonly settleMs: number
  /** The bus may lose messages, so that changes are compared at once and not only when they have settled. */
  readonly mayLose: boolean
  /** From one round to the next, milliseconds. */
  readonly everyMs: number
}

export interface Reconciler {
  /** One round. Rejects when the other service does not answer or nothing can be stored. */
  runOnce(): Promise<void>
}

/** Rounds that may fail in a row before the health check fails. */
const roundsBeforeStuck = 4

/** Complete rounds after the one in which it was seen, after which a head may settle. */
const settleRounds = 2

/** Heads that may wait until they have settled; beyond it the newest one takes the place of the last one. */
const headsLimit = 16

interface Skipped {
  readonly changeNo: number
  readonly reason: string
}

/** The newest number of the other store at some round. */
interface SeenHead {
  readonly head: number
  /** When it was seen, monotonic milliseconds. */
  readonly at: number
  /** Which round saw it. */
  readonly round: number
}

/**
 * Rounds that compare what is stored here with the records of another service, in the order of the change numbers of its
 * store, and apply what differs (docs/protocol.md step 14). No clock of another machine has a part in it.
 *
 * A store may show a change number later than a higher one, by less than `settleMs`. So the position from which a round lists
 * moves only to a head that has settled: it was seen at least `settleMs` ago by our monotonic clock, and two complete rounds ago.
 * Where the bus may lose messages, a round lists all that came after the position; elsewhere only what has settled, each
 * change once. A round in which nothing changed is one small list. A head below the position is that of another store in the place of
 * the first one, or of an older backup: everything is compared again.
 *
 * A record that cannot be fetched or applied never ends a round. The round passes it over and reports it once, and each
 * further round asks for it again first; the stored position stays before it, so that a restart finds it too. When
 * `skippedLimit` records are remembered, a further one holds back the position in memory as well: the next round lists it
 * again. A record for which there was no room does the same.
 */
export function createReconciler<Row extends ChangedRow, T>(options: ReconcilerOptions<Row, T>): Reconciler {
  const { name, list, compare, fetch, apply, idOf, clock, health, metrics, rows, settleMs, mayLose } = options
  const log = options.log.child({ reconcile: name })
  const skipped = new Map<string, Skipped>()
  /** All changes up to it were compared; null before the first round. */
  let position: number | null = null
  let stored = 0
  /** Heads above the position, in order. */
  let heads: SeenHead[] = []
  /** Complete rounds. */
  let completed = 0
  let completedAt = clock.monotonic()
  /** The last complete round left changes to be listed again. */
  let hasLeft = false
  /** The earliest change that this round leaves to the next one. */
  let heldBack = Number.POSITIVE_INFINITY

  const repaired = metrics.counter('belfry_reconcile_repaired_total', 'Records that reconciling brought up to date')
  metrics.gauge('belfry_reconcile_skipped', 'Records that cannot be taken over', [], (gauge) =>
    gauge.set({}, skipped.size),
  )
  metrics.gauge('belfry_reconcile_age_seconds', 'Time since the last complete round', [], (gauge) =>
    gauge.set({}, (clock.monotonic() - completedAt) / 1000),
  )
  health.add(
    `reconcile ${name}`,
    () => {
      const sinceMs = clock.monotonic() - completedAt
      if (sinceMs > roundsBeforeStuck * options.everyMs) throw new Error(`no round was complete for ${sinceMs} ms`)
      const [first] = skipped
      if (first)
        throw new Error(`${skipped.size} records are not taken over; the first: ${first[0]}: ${first[1].reason}`)
    },
    { isAdvisory: true },
  )

  function skip(id: string, changeNo: number, reason: string): void {
    const isKnown = skipped.has(id)
    const shown = reason.slice(0, reasonLimit)
    if (!isKnown && skipped.size >= options.skippedLimit) {
      heldBack = Math.min(heldBack, changeNo)
      return
    }
    if (!isKnown) log.error({ id, reason: shown }, 'a record cannot be taken over; it is tried again in each round')
    skipped.set(id, { changeNo, reason: shown })
  }

  /** All at once; where that fails, one by one, so that one bad record stops no other. */
  async function applyAll(records: readonly T[]): Promise<readonly NotApplied[]> {
    try {
      return await apply(records)
    } catch (error) {
      if (isTransient(error)) throw error
      if (records.length > 1) {
        const each: NotApplied[] = []
        for (const one of records) each.push(...(await applyAll([one])))
        return each
      }
      return records.map((one) => ({ id: idOf(one), reason: reasonOf(error) }))
    }
  }

  /** Applies what was fetched; answers the ids that it named, and records which of them were passed over. */
  async function applyFetched({ records, failed }: FetchedRecords<T>, wanted: ReadonlyMap<string, number>) {
    const notApplied: readonly NotApplied[] = records.length > 0 ? await applyAll(records) : []
    const bad = new Set(notApplied.map(({ id }) => id))
    const ids = records.map(idOf)
    for (const id of ids) if (!bad.has(id)) skipped.delete(id)
    if (records.length > bad.size) repaired.inc({}, records.length - bad.size)
    for (const { id, reason, isLater } of [...notApplied, ...failed] as NotApplied[]) {
      const changeNo = wanted.get(id) ?? 0
      if (isLater) heldBack = Math.min(heldBack, changeNo)
      else skip(id, changeNo, reason)
    }
    return [...ids, ...bad, ...failed.map(({ id }) => id)]
  }

  /** Brings these records up to date; the change number of each by its id. */
  async function repair(wanted: ReadonlyMap<string, number>): Promise<void> {
    if (wanted.size === 0) return
    const unnamed = new Set(wanted.keys())
    for await (const fetched of fetch([...wanted.keys()]))
      for (const id of await applyFetched(fetched, wanted)) unnamed.delete(id)
    // They have no record any more, so that nothing is left to apply.
    for (const id of unnamed) skipped.delete(id)
  }

  async function comparePage(page: ChangeList<Row>): Promise<void> {
    if (page.rows.length === 0) return
    const ids = new Set(await compare(page.rows))
    await repair(new Map(page.rows.filter(({ id }) => ids.has(id)).map(({ id, changeNo }) => [id, changeNo])))
  }

  /** Compares this page, and those after it up to the change number `until`. */
  async function compareFrom(first: ChangeList<Row>, until: number): Promise<void> {
    let page = first
    for (;;) {
      await comparePage(page)
      const last = page.rows.at(-1)?.changeNo ?? until
      if (!page.hasMore || last >= until) return
      page = await list(last, rows)
    }
  }

  /** The other store is another one, or older than what was compared with it. */
  async function beginAgain(head: number): Promise<void> {
    log.warn(
      { position, head },
      'the change numbers have fallen behind the last position: everything is compared again',
    )
    position = 0
    heads = []
    skipped.clear()
    // Stored at once: the numbers may have passed the old position by the time of a restart.
    if (stored > 0) await options.cursor.write(0)
    stored = 0
  }

  /** What this head says about those that were seen before. */
  function noteHead(head: number): void {
    heads = heads.filter((one) => one.head <= head)
    if (head <= (heads.at(-1)?.head ?? position ?? 0)) return
    if (heads.length >= headsLimit) heads.pop()
    heads.push({ head, at: clock.monotonic(), round: completed })
  }

  /** The newest head that has settled once the round which began at `startedAt` is complete; 0 when none has. */
  function settledHead(startedAt: number): number {
    const isSettled = ({ at, round }: SeenHead) => round + settleRounds <= completed && at + settleMs <= startedAt
    return heads.findLast(isSettled)?.head ?? 0
  }

  return {
    async runOnce() {
      const isFirst = position === null
      position ??= stored = await options.cursor.read()
      heldBack = Number.POSITIVE_INFINITY
      await repair(new Map(Array.from(skipped, ([id, { changeNo }]) => [id, changeNo])))

      const startedAt = clock.monotonic()
      let until = isFirst || mayLose || hasLeft ? Number.POSITIVE_INFINITY : settledHead(startedAt)
      // Where nothing is to be compared, the list is only asked for its head.
      let page = await list(position, until > position ? rows : 1)
      if (page.head < position) {
        await beginAgain(page.head)
        until = Number.POSITIVE_INFINITY
        page = await list(position, rows)
      }
      noteHead(page.head)
      if (until > position) await compareFrom(page, until)

      const settled = settledHead(startedAt)
      heads = heads.filter(({ head }) => head > settled)
      position = Math.max(0, Math.min(Math.max(position, settled), heldBack - 1))
      hasLeft = heldBack < Number.POSITIVE_INFINITY
      completed += 1
      completedAt = clock.monotonic()
      // A record that was passed over must be found after a restart.
      let reached = position
      for (const { changeNo } of skipped.values()) reached = Math.min(reached, Math.max(0, changeNo - 1))
      if (reached === stored) return
      await options.cursor.write(reached)
      stored = reached
    },
  }
}
