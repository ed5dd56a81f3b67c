import { randomUUID } from 'node:crypto'
import type { PoisonStore } from '@belfry/bus'
import { type CursorStore, type RowId, shardOf, type WorkShare } from '@belfry/storage'
import { frozen } from '@belfry/testkit'
import type { FireRange, ScheduleRecord } from '../../src/domain/schedule-record.ts'
import type {
  DueCursor,
  FireLogStore,
  ScheduleRef,
  ScheduleStore,
  SchedulesRow,
  Stores,
} from '../../src/store/ports.ts'

/** Each operation answers after some turns of the event loop, so that answers pass each other. */
function createRoundTrip(): () => Promise<void> {
  let delays = 0
  return async () => {
    delays = (delays * 7 + 3) % 5
    for (let turns = delays; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A collection of a document database: JSON texts by random ids. Every operation is for one document, and atomic. */
function createCollection<T>(roundTrip: () => Promise<void>, onWrite?: (document: T) => void) {
  const texts = new Map<string, string>()
  async function operate<R>(operation: () => R): Promise<R> {
    await roundTrip()
    const answer = operation()
    await roundTrip()
    return answer
  }
  /** The same documents, frozen. */
  const documents = new Map<string, T>()
  return {
    texts,
    find: (id: string) => operate(() => texts.get(id)),
    /** All documents that `isIn` accepts, in the order of their ids. */
    list: (isIn: (document: T) => boolean) =>
      operate(() =>
        [...documents]
          .filter(([, document]) => isIn(document))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([id, document]) => ({ id, text: texts.get(id) ?? '', document })),
      ),
    /** Stores what `change` makes of the document; undefined leaves it, null removes it. Answers whether it was changed. */
    update: (id: string, change: (document: T | undefined) => T | null | undefined) =>
      operate(() => {
        const after = change(documents.get(id))
        if (after === undefined) return false
        if (after === null) {
          texts.delete(id)
          documents.delete(id)
          return true
        }
        const text = JSON.stringify(after)
        texts.set(id, text)
        documents.set(id, frozen(JSON.parse(text) as T))
        onWrite?.(after)
        return true
      }),
  }
}

export interface DocumentStoresOptions {
  /** What each step waits for before and after it; some iterations of the event loop when left out. */
  readonly roundTrip?: () => Promise<void>
  /** Makes the row ids; random ones when left out. */
  readonly newId?: () => string
  /** Called with each record that is stored, at that moment. */
  readonly onSchedule?: (record: ScheduleRecord) => void
  /** The same for ranges of the fire log. */
  readonly onRange?: (range: FireRange & { readonly jobId: string }) => void
}
type Context = DocumentStoresOptions & Required<Pick<DocumentStoresOptions, 'roundTrip' | 'newId'>>

interface ScheduleDocument {
  readonly jobId: string
  readonly rev: number
  readonly dueAt: number | null
  readonly endedAt: number | null
  readonly pending: number
  readonly version: number
  /** JSON text of the record, so that a test can spoil it. */
  readonly record: string
}

function documentOf(record: ScheduleRecord, dueAt: number | null, rev: number): ScheduleDocument {
  const { jobId, version, endedAt, pending } = record
  return { jobId, rev, dueAt, endedAt, pending: pending.length, version, record: JSON.stringify(record) }
}

const idOf = (rowId: RowId) => rowId as string
const rowIdOf = (id: string) => id as RowId
const refOf = (id: string, { rev }: ScheduleDocument): ScheduleRef => ({ rowId: rowIdOf(id), rev })

function toRow(id: string, document: ScheduleDocument): SchedulesRow {
  const ref = refOf(id, document)
  try {
    return { ...ref, record: JSON.parse(document.record) as ScheduleRecord, dueAt: document.dueAt }
  } catch (error) {
    return { ...ref, jobId: document.jobId, unreadable: String(error) }
  }
}

/** The first of `items` within `bytes` of `sizeOf`, at least one; and at most `rows`. */
function cut<T>(items: readonly T[], rows: number, bytes: number, sizeOf: (item: T) => number): readonly T[] {
  let size = 0
  let count = 0
  for (const item of items) {
    if (count >= rows || (count > 0 && size >= bytes)) break
    size += sizeOf(item)
    count += 1
  }
  return items.slice(0, count)
}

function createScheduleStore({ roundTrip, newId, onSchedule }: Context) {
  const schedules = createCollection<ScheduleDocument>(
    roundTrip,
    onSchedule && (({ record }) => onSchedule(JSON.parse(record) as ScheduleRecord)),
  )
  /** A unique index on `jobId`. */
  const idByJob = new Map<string, string>()

  async function readFor(jobIds: readonly string[], bytes: number, isIn: (document: ScheduleDocument) => boolean) {
    const found = await Promise.all(
      jobIds.map(async (jobId) => {
        const id = idByJob.get(jobId)
        const text = id === undefined ? undefined : await schedules.find(id)
        const document = text === undefined ? null : (JSON.parse(text) as ScheduleDocument)
        return id !== undefined && document && isIn(document) ? { id, document } : undefined
      }),
    )
    const first = cut(found, found.length, bytes, (one) => one?.document.record.length ?? 0)
    return first.map((one) => one && toRow(one.id, one.document))
  }
  const changeIf = (row: ScheduleRef, change: (document: ScheduleDocument) => ScheduleDocument | null) =>
    schedules.update(idOf(row.rowId), (document) => (document?.rev === row.rev ? change(document) : undefined))

  /** Whether the record is ever due, and of the share. */
  const isOf =
    ({ index, instances, overdueAt }: WorkShare) =>
    ({ jobId, dueAt }: ScheduleDocument) =>
      dueAt !== null && (shardOf(jobId) % instances === index || dueAt <= overdueAt)

  const store: ScheduleStore = {
    async nextDueAt(share) {
      const due = await schedules.list(isOf(share))
      return due.reduce<number | null>((least, { document }) => Math.min(least ?? Infinity, document.dueAt ?? 0), null)
    },
    async listDue(dueBefore, share, after, page) {
      const isDue = (one: ScheduleDocument) => isOf(share)(one) && one.dueAt !== null && one.dueAt <= dueBefore
      const keyOf = (dueAt: number, id: string) => `${String(dueAt + 1e15).padStart(20, '0')} ${id}`
      const from = after === null ? '' : (after as unknown as string)
      const due = (await schedules.list(isDue))
        .map((one) => ({ ...one, key: keyOf(one.document.dueAt ?? 0, one.id) }))
        .filter(({ key }) => key > from)
        .sort((a, b) => (a.key < b.key ? -1 : 1))
      const rows = cut(due, page.rows, page.bytes, ({ text }) => text.length)
      const last = rows.length < due.length ? (rows.at(-1)?.key ?? null) : null
      return { rows: rows.map(({ id, document }) => toRow(id, document)), next: last as unknown as DueCursor | null }
    },
    async listPending(after, page) {
      const pending = await schedules.list((document) => document.pending > 0)
      const left = pending.filter(({ id }) => after === null || id > idOf(after))
      const rows = cut(left, page.rows, page.bytes, ({ text }) => text.length)
      const last = rows.length < left.length ? rows.at(-1) : undefined
      return { rows: rows.map(({ id, document }) => toRow(id, document)), next: last ? rowIdOf(last.id) : null }
    },
    readMany: (jobIds, bytes) => readFor(jobIds, bytes, () => true),
    readManyIfPending: (jobIds, bytes) => readFor(jobIds, bytes, (document) => document.pending > 0),
    readVersions: (jobIds) =>
      Promise.all(
        jobIds.map(async (jobId) => {
          const text = await schedules.find(idByJob.get(jobId) ?? '')
          return text === undefined ? undefined : (JSON.parse(text) as ScheduleDocument).version
        }),
      ),
    insertManyIfAbsent: (writes) =>
      Promise.all(
        writes.map(({ record, dueAt }) => {
          const id = newId()
          return schedules.update(id, () => {
            if (idByJob.has(record.jobId)) return undefined
            idByJob.set(record.jobId, id)
            return documentOf(record, dueAt, 1)
          })
        }),
      ),
    compareAndSetMany: (swaps) =>
      Promise.all(
        swaps.map(({ before, record, dueAt }) => changeIf(before, () => documentOf(record, dueAt, before.rev + 1))),
      ),
    async postponeIfUnchanged(row, dueAt) {
      await changeIf(row, (document) => ({ ...document, dueAt }))
    },
    async listSummaries(after, limit) {
      const left = (await schedules.list(() => true)).filter(({ id }) => after === null || id > idOf(after))
      const rows = left.slice(0, limit).map(({ id, document }) => {
        const { dueAt, endedAt } = document
        return { ...refOf(id, document), dueAt, endedAt }
      })
      return { rows, next: rows.length < left.length ? (rows.at(-1)?.rowId ?? null) : null }
    },
    async purgeManyIfUnchanged(rows) {
      const removed = await Promise.all(
        rows.map((row) =>
          changeIf(row, ({ jobId }) => {
            idByJob.delete(jobId)
            return null
          }),
        ),
      )
      return removed.filter(Boolean).length
    },
  }
  return {
    store,
    spoil: (jobId: string) =>
      schedules.update(idByJob.get(jobId) ?? '', (document) => document && { ...document, record: '{' }),
  }
}

const stays = (known: FireRange, { version, count }: FireRange) =>
  known.version > version || (known.version === version && known.count <= count)

function createFireLogStore({ roundTrip, onRange }: Context): FireLogStore {
  const ranges = createCollection<FireRange & { readonly jobId: string; readonly loggedAt: number }>(roundTrip, onRange)
  const orderOf = ({ from, decision }: Pick<FireRange, 'from' | 'decision'>) =>
    `${String(from).padStart(20, '0')} ${decision}`
  return {
    async upsertMany(rows, loggedAt = 0) {
      // One document per range. A repeated range comes to the same document, in whatever order.
      await Promise.all(
        rows.map(({ jobId, range }) =>
          ranges.update(`${jobId}:${range.from}:${range.decision}`, (known) =>
            known && stays(known, range) ? undefined : { jobId, loggedAt: known?.loggedAt ?? loggedAt, ...range },
          ),
        ),
      )
    },
    async listOfJob(jobId, { limit, after = null, decision, from = 0, to = Number.MAX_SAFE_INTEGER }) {
      const ofJob = await ranges.list((range) => range.jobId === jobId && range.count > 0)
      return ofJob
        .map(({ document: { jobId: _, loggedAt: _at, ...range } }) => range)
        .filter((range) => after === null || orderOf(range) < orderOf(after))
        .filter((range) => range.to >= from && range.from <= to)
        .filter((range) => decision === undefined || range.decision === decision)
        .sort((a, b) => (orderOf(a) < orderOf(b) ? 1 : -1))
        .slice(0, limit)
    },
    async listMissed({ at, id }, limit) {
      const missed = await ranges.list(({ decision, count }) => decision === 'missed' && count > 0)
      return missed
        .map(({ id, document: { jobId, loggedAt, ...range } }) => ({ at: loggedAt, id, jobId, range }))
        .filter((one) => one.at > at || (one.at === at && one.id > id))
        .sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
        .slice(0, limit)
    },
    async purge(before, limit) {
      const old = await ranges.list(({ to }) => to < before)
      const removed = await Promise.all(old.slice(0, limit).map(({ id }) => ranges.update(id, () => null)))
      return removed.length < old.length
    },
  }
}

function createCursors({ roundTrip }: Context): CursorStore {
  const cursors = createCollection<number>(roundTrip)
  return {
    read: async (name) => Number((await cursors.find(name)) ?? 0),
    write: async (name, at) => void (await cursors.update(name, () => at)),
  }
}

function createPoison({ roundTrip, newId }: Context): PoisonStore {
  const poison = createCollection<{ readonly reason: string }>(roundTrip)
  return {
    async keep(messages) {
      const idOfMessage = ({ topic, partition, offset }: (typeof messages)[number]) =>
        partition === null ? newId() : `${topic}:${partition}:${offset}`
      await Promise.all(
        messages.map((message) => poison.update(idOfMessage(message), () => ({ reason: message.reason }))),
      )
    },
  }
}

/**
 * The stores over Maps that behave as a document database: random ids, one document per write, no transaction over two
 * documents, answers in another order than the calls. The proof that the ports fit such a database.
 */
export function createDocumentStores(options: DocumentStoresOptions = {}) {
  const context = { roundTrip: createRoundTrip(), newId: randomUUID, ...options }
  const { store, spoil } = createScheduleStore(context)
  const stores: Stores = {
    schedules: store,
    fireLog: createFireLogStore(context),
    cursors: createCursors(context),
    poison: createPoison(context),
    close: async () => {},
  }
  return { stores, spoil: async (jobId: string) => void (await spoil(jobId)) }
}
