import type { ServiceName } from '@belfry/contracts'
import type { Clock, Health, Logger, Metrics } from '@belfry/service'
import { fetchRecords, type RecordSchema } from './records.ts'
import type { RestClient, RestResponse } from './rest-client.ts'

/** What a list of changes says of each record besides its newest version or sequence number. */
export interface ChangedRow {
  readonly id: string
  /** Epoch milliseconds, by the clock of the service that keeps the record. */
  readonly changedAt: number
}

/** A record that was not taken over. `later`: only for want of room just now. */
export interface NotTaken {
  readonly id: string
  readonly reason: string
  readonly isLater?: boolean
}

export interface ReconcileOptions<Row extends ChangedRow, T> {
  /** Names what is compared in log lines, metrics and the health check: `jobs`. */
  readonly name: string
  readonly rest: RestClient
  /** The service that keeps the records. It answers `GET <path>/changes` and `POST <path>/fetch`. */
  readonly service: ServiceName
  readonly path: string
  readonly page: RecordSchema<{ readonly data: readonly Row[]; readonly next: string | null }>
  readonly record: RecordSchema<T>
  /** The member of a record that holds its id. */
  readonly idName: keyof T & string
  /** Ids of the rows that are newer than what is stored here. */
  readonly behind: (rows: readonly Row[]) => Promise<readonly string[]>
  /** Takes records over; answers those that it did not take. Rejects when nothing can be stored. */
  readonly take: (records: readonly T[]) => Promise<readonly NotTaken[]>
  /** How far the rounds have come, epoch milliseconds; kept over restarts, 0 at first. */
  readonly cursor: { read(): Promise<number>; write(at: number): Promise<void> }
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly health: Health
  /** Rows that are compared at once. */
  readonly rows: number
  /** Records that may be passed over and asked for again in each round; see `createReconcile`. */
  readonly skippedLimit: number
  /** How long a change may have been stored before it can be listed, milliseconds. */
  readonly settleMs: number
  /** The bus may lose messages, so that changes are listed at once and not only when they have settled. */
  readonly mayLose: boolean
  /** For one answer, milliseconds. */
  readonly deadlineMs: number
  /** From one round to the next, milliseconds. */
  readonly everyMs: number
}

/** Rounds that may fail in a row before the health check says so. */
const roundsBeforeStuck = 4

/** Characters of a reason that are remembered and logged. */
const reasonLimit = 500

/** Codes of a store that takes nothing just now, whatever the record is (storage, `StorageErrorCode`). */
const transient = new Set(['disk-full', 'locked', 'closed', 'overloaded'])

function isTransient(error: unknown): boolean {
  return error instanceof Error && 'code' in error && transient.has(String(error.code))
}

/** What the answering service's clock showed, epoch milliseconds; 0 when it does not say. */
function sentAt({ headers }: RestResponse): number {
  return Date.parse(String(headers.date)) || 0
}

interface Skipped {
  readonly changedAt: number
  readonly reason: string
}

/**
 * Rounds of comparing what is stored here with the records of another service, by time of change on that service's
 * clock, and of taking over what differs (protocol.md, step 14). The cursor follows that clock (or ours, whichever is
 * behind), less `settleMs`: what changed before then has been listed, so a round in which nothing changed lists nothing.
 *
 * A record that cannot be had or taken never ends a round. It is passed over, reported once, and asked for again at the
 * begin of each round; the stored cursor stays before it, so that a restart finds it too. When `skippedLimit` records are
 * remembered, a further one holds back the cursor in memory as well: the next round lists it again. A record for which
 * there was no room does the same.
 */
export function createReconcile<Row extends ChangedRow, T>(options: ReconcileOptions<Row, T>): () => Promise<void> {
  const { name, rest, service, path, page, behind, take, clock, health, metrics, rows, settleMs, deadlineMs } = options
  const log = options.log.child({ reconcile: name })
  const fetching = { ...options, path: `${path}/fetch` }
  const skipped = new Map<string, Skipped>()
  let cursor: number | null = null
  let stored = 0
  /** Time of the newest change that was listed once it had settled. */
  let newest = 0
  let completedAt = clock.monotonic()
  /** Times of change that this round must not leave behind. */
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
    const known = skipped.has(id)
    const told = reason.slice(0, reasonLimit)
    if (!known && skipped.size >= options.skippedLimit) {
      heldBack = Math.min(heldBack, changedAt)
      return
    }
    if (!known) log.error({ id, reason: told }, 'a record cannot be taken over; it is tried again in each round')
    skipped.set(id, { changedAt, reason: told })
  }

  /** All at once; where that fails, one by one, so that one bad record stops no other. */
  async function takeAll(records: readonly T[]): Promise<readonly NotTaken[]> {
    try {
      return await take(records)
    } catch (error) {
      if (isTransient(error)) throw error
      if (records.length > 1) {
        const each: NotTaken[] = []
        for (const one of records) each.push(...(await takeAll([one])))
        return each
      }
      const reason = error instanceof Error ? error.message : String(error)
      return records.map((one) => ({ id: String(one[options.idName]), reason }))
    }
  }

  /** Brings these records up to date; `changedAt` of each by its id. */
  async function repair(wanted: ReadonlyMap<string, number>): Promise<void> {
    if (wanted.size === 0) return
    const unanswered = new Set(wanted.keys())
    for await (const { records, failed } of fetchRecords([...wanted.keys()], fetching)) {
      const notTaken = records.length > 0 ? await takeAll(records) : []
      for (const one of records) unanswered.delete(String(one[options.idName]))
      const bad = new Set(notTaken.map(({ id }) => id))
      for (const one of records) if (!bad.has(String(one[options.idName]))) skipped.delete(String(one[options.idName]))
      repaired.inc({}, records.length - bad.size)
      for (const { id, reason, isLater } of [...notTaken, ...failed] as NotTaken[]) {
        unanswered.delete(id)
        const changedAt = wanted.get(id) ?? 0
        if (isLater) heldBack = Math.min(heldBack, changedAt)
        else skip(id, changedAt, reason)
      }
    }
    // No record any more: nothing is left to be taken over.
    for (const id of unanswered) skipped.delete(id)
  }

  async function list(from: string): Promise<{ data: readonly Row[]; next: string | null; answer: RestResponse }> {
    const query = `${from}&limit=${rows}`
    const answer = await rest.request({ service, method: 'GET', path: `${path}/changes?${query}`, deadlineMs })
    if (answer.status !== 200) throw new Error(`${service} answered ${answer.status} to GET ${path}/changes`)
    const read = page.safeParse(answer.body)
    if (!read.success) throw new Error(`${service} answered with a list that cannot be read: ${read.error.message}`)
    return { ...read.data, answer }
  }

  /** Answers up to when everything that changed was compared. */
  async function compareFrom(since: number, listsAll: boolean): Promise<number> {
    let settledAt = Number.POSITIVE_INFINITY
    let from = `since=${since}`
    for (;;) {
      const askedAt = clock.now()
      const { data, next, answer } = await list(from)
      settledAt = Math.min(settledAt, Math.min(sentAt(answer), askedAt) - settleMs)
      const ids = new Set(await behind(data))
      await repair(new Map(data.filter(({ id }) => ids.has(id)).map(({ id, changedAt }) => [id, changedAt])))
      for (const { changedAt } of data) if (changedAt <= settledAt) newest = Math.max(newest, changedAt)
      const last = data.at(-1)
      if (next === null || (!listsAll && last !== undefined && last.changedAt > settledAt)) return settledAt
      from = `cursor=${encodeURIComponent(next)}`
    }
  }

  return async () => {
    const isFirst = cursor === null
    cursor ??= newest = stored = await options.cursor.read()
    heldBack = Number.POSITIVE_INFINITY
    await repair(new Map(Array.from(skipped, ([id, { changedAt }]) => [id, changedAt])))
    const settledAt = await compareFrom(cursor, isFirst || options.mayLose)
    cursor = Math.min(Math.max(cursor, settledAt), heldBack)
    completedAt = clock.monotonic()
    // What only the clock has moved need not survive a restart; what was passed over must be found after one.
    let reached = Math.min(newest, heldBack)
    for (const { changedAt } of skipped.values()) reached = Math.min(reached, changedAt)
    if (reached === stored) return
    await options.cursor.write(reached)
    stored = reached
  }
}
