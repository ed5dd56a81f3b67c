import type { Clock, Health, Logger, Metrics } from '@belfry/service'

/** What a list of changes says of each record besides its newest version or sequence number. */
export interface ChangedRow {
  readonly id: string
  /** Epoch milliseconds, by the clock of the service that owns the record. */
  readonly changedAt: number
}

/** Where a list begins: at a time of change (epoch milliseconds), or after the page that gave this text. */
export type ListPosition = { readonly since: number } | { readonly cursor: string }

export interface ChangeList<Row> {
  readonly rows: readonly Row[]
  /** Continues the list; null after its last page. */
  readonly next: string | null
  /** What the clock of the answering service showed, epoch milliseconds; 0 when it does not say. */
  readonly answeredAt: number
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
  /** Lists the changed records of the other service in order of change, at most `limit` of them. */
  readonly list: (position: ListPosition, limit: number) => Promise<ChangeList<Row>>
  /** Answers the ids of the rows that are newer than what is stored here. */
  readonly compare: (rows: readonly Row[]) => Promise<readonly string[]>
  /** Reads whole records of the other service. Rejects when it does not answer. */
  readonly fetch: (ids: readonly string[]) => AsyncIterable<FetchedRecords<T>>
  /** Stores records; answers those that it did not store. Rejects when nothing can be stored. */
  readonly apply: (records: readonly T[]) => Promise<readonly NotApplied[]>
  readonly idOf: (record: T) => string
  /** How far the rounds have come, epoch milliseconds; survives restarts, 0 at first. */
  readonly cursor: { read(): Promise<number>; write(at: number): Promise<void> }
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly health: Health
  /** Rows that are compared at once. */
  readonly rows: number
  /** Records that may be passed over and asked for again in each round; see `createReconciler`. */
  readonly skippedLimit: number
  /** How long a change may have been stored before it can be listed, milliseconds. */
  readonly settleMs: number
  /** The bus may lose messages, so that changes are listed at once and not only `settleMs` after them. */
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

/** Characters of a reason that are remembered and logged. */
const reasonLimit = 500

/** Codes of a store that stores nothing just now, whatever the record is (storage, `StorageErrorCode`). */
const transient = new Set(['disk-full', 'locked', 'closed', 'overloaded', 'unavailable', 'outcome-unknown'])

function isTransient(error: unknown): boolean {
  return error instanceof Error && 'code' in error && transient.has(String(error.code))
}

interface Skipped {
  readonly changedAt: number
  readonly reason: string
}

/**
 * Rounds that compare what is stored here with the records of another service, by time of change on that service's clock,
 * and apply what differs (protocol.md, step 14). The cursor follows that clock (or ours, whichever is behind), less
 * `settleMs`: what changed before then has been listed, so a round in which nothing changed lists nothing.
 *
 * A record that cannot be fetched or applied never ends a round. The round passes it over and reports it once, and each
 * further round asks for it again first; the stored cursor stays before it, so that a restart finds it too. When
 * `skippedLimit` records are remembered, a further one holds back the cursor in memory as well: the next round lists it
 * again. A record for which there was no room does the same.
 */
export function createReconciler<Row extends ChangedRow, T>(options: ReconcilerOptions<Row, T>): Reconciler {
  const { name, list, compare, fetch, apply, idOf, clock, health, metrics, rows, settleMs, mayLose } = options
  const log = options.log.child({ reconcile: name })
  const skipped = new Map<string, Skipped>()
  let cursor: number | null = null
  let stored = 0
  /** Time of the newest change that was listed once it was `settleMs` old. */
  let newest = 0
  let completedAt = clock.monotonic()
  /** The earliest change that this round must list again. */
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

  function skip(id: string, changedAt: number, reason: string): void {
    const isKnown = skipped.has(id)
    const shown = reason.slice(0, reasonLimit)
    if (!isKnown && skipped.size >= options.skippedLimit) {
      heldBack = Math.min(heldBack, changedAt)
      return
    }
    if (!isKnown) log.error({ id, reason: shown }, 'a record cannot be taken over; it is tried again in each round')
    skipped.set(id, { changedAt, reason: shown })
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
      const reason = error instanceof Error ? error.message : String(error)
      return records.map((one) => ({ id: idOf(one), reason }))
    }
  }

  /** Applies what was fetched; answers the ids that it named, and records which of them were passed over. */
  async function applyFetched({ records, failed }: FetchedRecords<T>, wanted: ReadonlyMap<string, number>) {
    const notApplied: readonly NotApplied[] = records.length > 0 ? await applyAll(records) : []
    const bad = new Set(notApplied.map(({ id }) => id))
    const ids = records.map(idOf)
    for (const id of ids) if (!bad.has(id)) skipped.delete(id)
    repaired.inc({}, records.length - bad.size)
    for (const { id, reason, isLater } of [...notApplied, ...failed] as NotApplied[]) {
      const changedAt = wanted.get(id) ?? 0
      if (isLater) heldBack = Math.min(heldBack, changedAt)
      else skip(id, changedAt, reason)
    }
    return [...ids, ...bad, ...failed.map(({ id }) => id)]
  }

  /** Brings these records up to date; `changedAt` of each by its id. */
  async function repair(wanted: ReadonlyMap<string, number>): Promise<void> {
    if (wanted.size === 0) return
    const unnamed = new Set(wanted.keys())
    for await (const fetched of fetch([...wanted.keys()]))
      for (const id of await applyFetched(fetched, wanted)) unnamed.delete(id)
    // They have no record any more, so that nothing is left to apply.
    for (const id of unnamed) skipped.delete(id)
  }

  /** Answers up to when everything that changed was compared. */
  async function compareFrom(since: number, listsAll: boolean): Promise<number> {
    let settledAt = Number.POSITIVE_INFINITY
    let position: ListPosition = { since }
    for (;;) {
      const askedAt = clock.now()
      const page = await list(position, rows)
      settledAt = Math.min(settledAt, Math.min(page.answeredAt, askedAt) - settleMs)
      const ids = new Set(await compare(page.rows))
      await repair(new Map(page.rows.filter(({ id }) => ids.has(id)).map(({ id, changedAt }) => [id, changedAt])))
      for (const { changedAt } of page.rows) if (changedAt <= settledAt) newest = Math.max(newest, changedAt)
      const last = page.rows.at(-1)
      if (page.next === null || (!listsAll && last !== undefined && last.changedAt > settledAt)) return settledAt
      position = { cursor: page.next }
    }
  }

  return {
    async runOnce() {
      const isFirst = cursor === null
      cursor ??= newest = stored = await options.cursor.read()
      heldBack = Number.POSITIVE_INFINITY
      await repair(new Map(Array.from(skipped, ([id, { changedAt }]) => [id, changedAt])))
      const settledAt = await compareFrom(cursor, isFirst || mayLose)
      cursor = Math.min(Math.max(cursor, settledAt), heldBack)
      completedAt = clock.monotonic()
      // What only the clock has moved need not survive a restart; what was passed over must be found after one.
      let reached = Math.min(newest, heldBack)
      for (const { changedAt } of skipped.values()) reached = Math.min(reached, changedAt)
      if (reached === stored) return
      await options.cursor.write(reached)
      stored = reached
    },
  }
}
