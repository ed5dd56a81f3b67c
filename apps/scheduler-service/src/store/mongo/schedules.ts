import { type PageBounds, type RowId, shardOf, type WorkShare } from '@belfry/storage'
import {
  countWithin,
  defineCollection,
  type Filter,
  type MongoDatabase,
  type MongoRecord,
  type Swap,
  where,
} from '@belfry/storage/mongo'
import type { ScheduleRecord } from '../../domain/schedule-record.ts'
import type { DueCursor, ScheduleStore, ScheduleSwap, SchedulesRow } from '../ports.ts'
import { bodyText, hasSameSpec, readTexts, specText } from '../schedule-texts.ts'

/**
 * A schedule; `_id` is the job's id, and the row id. What users wrote is JSON text, so that no key of theirs is a name or an operator
 * of the database.
 */
interface ScheduleDocument extends MongoRecord {
  readonly version: number
  readonly rev: number
  readonly dueAt: number | null
  readonly endedAt: number | null
  /** Pending commands. */
  readonly pending: number
  readonly shard: number
  readonly body: string
  readonly bodyBytes: number
  readonly spec: string
  readonly specBytes: number
}

export const schedulesCollection = defineCollection<ScheduleDocument>({
  name: 'schedules',
  schema: {
    _id: String,
    version: Number,
    rev: Number,
    dueAt: Number,
    endedAt: Number,
    pending: Number,
    shard: Number,
    body: String,
    bodyBytes: Number,
    spec: String,
    specBytes: Number,
  },
  indexes: [{ fields: { dueAt: 1, _id: 1 } }],
})

const sizes = ['bodyBytes', 'specBytes'] as const

function bodyOf(record: ScheduleRecord) {
  const body = bodyText(record)
  return { body, bodyBytes: body.length }
}

function specOf(record: ScheduleRecord) {
  const spec = specText(record)
  return { spec, specBytes: spec.length }
}

const rowIdOf = (id: string) => id as RowId
const idOf = (rowId: RowId) => rowId as string

function toRow({ _id, rev, version, endedAt, dueAt, body, spec }: ScheduleDocument): SchedulesRow {
  const ref = { rowId: rowIdOf(_id), rev }
  try {
    return { ...ref, record: { jobId: _id, version, endedAt, ...readTexts(spec, body) }, dueAt }
  } catch (error) {
    return { ...ref, jobId: _id, unreadable: error instanceof Error ? error.message : String(error) }
  }
}

/** Where the next page of what is due begins: after this row, and how far to look from there, milliseconds. */
interface DuePosition {
  readonly dueAt: number
  readonly id: string
  readonly spanMs: number
}
const cursorOf = (position: DuePosition) => position as unknown as DueCursor
const positionOf = (cursor: DueCursor) => cursor as unknown as DuePosition
const first: DuePosition = { dueAt: Number.MIN_SAFE_INTEGER, id: '', spanMs: Number.POSITIVE_INFINITY }
/** Sorts behind every id. */
const lastId = '\uffff'

function ofShare({ instances, index, overdueAt }: WorkShare): Filter<ScheduleDocument> {
  if (instances === 1) return {}
  return { $or: [{ shard: where({ $mod: [instances, index] }) }, { dueAt: where({ $lte: overdueAt }) }] }
}

const stillPending: Filter<ScheduleDocument> = { pending: where({ $gt: 0 }) }

/** The schedules in MongoDB. */
export function createScheduleStore(db: MongoDatabase): ScheduleStore {
  const schedules = db.collection(schedulesCollection)
  /** The answer of the last `nextDueAt`: most often the earliest is not later, and then few documents match. */
  let lastNextDueAt = Number.MAX_SAFE_INTEGER

  async function earliest(until: number, share: WorkShare): Promise<number | null> {
    const filter = { $and: [{ dueAt: where({ $gte: first.dueAt, $lte: until }) }, ofShare(share)] }
    const found = await schedules.findOne('schedules.next-due', filter, { sort: { dueAt: 1 }, fields: ['dueAt'] })
    return found?.dueAt ?? null
  }

  /** One entry per id: the record, undefined where there is none of which `only` holds. */
  async function readMany(ids: readonly string[], only: Filter<ScheduleDocument>) {
    const filter = { $and: [{ _id: where({ $in: [...new Set(ids)] }) }, only] }
    const found = ids.length === 0 ? [] : await schedules.find('schedules.read', filter, { limit: ids.length })
    const rowById = new Map(found.map((one) => [one._id, toRow(one)]))
    return ids.map((id) => rowById.get(id))
  }

  /** The same of the first ids, within `bytes`. */
  async function readWithin(ids: readonly string[], bytes: number, only: Filter<ScheduleDocument>) {
    if (ids.length <= 1) return readMany(ids, only)
    const filter = { $and: [{ _id: where({ $in: [...new Set(ids)] }) }, only] }
    const found = await schedules.find('schedules.sizes', filter, { limit: ids.length, fields: sizes })
    const sizeById = new Map(found.map((one) => [one._id, one.bodyBytes + one.specBytes]))
    const count = countWithin(
      ids.map((id) => sizeById.get(id) ?? 0),
      bytes,
    )
    return readMany(ids.slice(0, count), only)
  }

  function swapOf({ before, record, dueAt }: ScheduleSwap): Swap<ScheduleDocument> {
    const { version, endedAt, pending } = record
    const changed = { rev: before.rev + 1, dueAt, endedAt, pending: pending.length, ...bodyOf(record) }
    const set = hasSameSpec(before.record, record) ? changed : { ...changed, version, ...specOf(record) }
    return { id: idOf(before.rowId), guard: { rev: before.rev }, update: { $set: set } }
  }

  async function nextDueAt(share: WorkShare): Promise<number | null> {
    const near = await earliest(lastNextDueAt, share)
    const found =
      near ?? (lastNextDueAt < Number.MAX_SAFE_INTEGER ? await earliest(Number.MAX_SAFE_INTEGER, share) : null)
    lastNextDueAt = found ?? Number.MAX_SAFE_INTEGER
    return found
  }

  async function listDue(dueBefore: number, share: WorkShare, after: DueCursor | null, page: PageBounds) {
    const from = after ? positionOf(after) : first
    const until = Math.min(dueBefore, from.dueAt + from.spanMs)
    const filter = {
      $and: [
        { dueAt: where({ $gte: from.dueAt, $lte: until }) },
        { $or: [{ dueAt: where({ $gt: from.dueAt }) }, { _id: where({ $gt: from.id }) }] },
        ofShare(share),
      ],
    }
    const options = { ...page, sort: { dueAt: 1, _id: 1 }, sizes } as const
    const { rows, hasMore, last } = await schedules.findPage('schedules.due', filter, options)
    return { rows: rows.map(toRow), next: nextDue() }

    /** Looks about two pages further at a time, so that a page never sorts all that is overdue. */
    function nextDue(): DueCursor | null {
      if (hasMore && last?.dueAt !== null && last !== undefined) {
        const pageMs = last.dueAt - (rows[0]?.dueAt ?? last.dueAt)
        return cursorOf({ dueAt: last.dueAt, id: last._id, spanMs: Math.max(1, 2 * pageMs) })
      }
      return until < dueBefore ? cursorOf({ dueAt: until, id: lastId, spanMs: 4 * from.spanMs }) : null
    }
  }

  return {
    nextDueAt,
    listDue,
    async listPending(after, page) {
      // A page is a span of ids, so that a call looks at a bounded number of records however few have pending commands.
      const filter = after === null ? {} : { _id: where({ $gt: idOf(after) }) }
      const options = { sort: { _id: 1 }, limit: page.rows, fields: ['pending', ...sizes] } as const
      const span = await schedules.find('schedules.pending-sizes', filter, options)
      const pending = span.filter((one) => one.pending > 0)
      const count = countWithin(
        pending.map((one) => one.bodyBytes + one.specBytes),
        page.bytes,
      )
      const ids = pending.slice(0, count).map(({ _id }) => _id)
      const rows = ids.length === 0 ? [] : await readMany(ids, stillPending)
      const end = count < pending.length ? ids.at(-1) : span.length === page.rows ? span.at(-1)?._id : undefined
      return { rows: rows.flatMap((row) => row ?? []), next: end === undefined ? null : rowIdOf(end) }
    },
    readMany: (jobIds, bytes) => readWithin(jobIds, bytes, {}),
    readManyIfPending: (jobIds, bytes) => readWithin(jobIds, bytes, stillPending),
    async readVersions(jobIds) {
      const options = { limit: jobIds.length, fields: ['version'] } as const
      const found = await schedules.find('schedules.versions', { _id: where({ $in: jobIds }) }, options)
      const versionById = new Map(found.map(({ _id, version }) => [_id, version]))
      return jobIds.map((id) => versionById.get(id))
    },
    insertManyIfAbsent: (writes) =>
      schedules.insertManyIfAbsent(
        'schedules.insert',
        writes.map(({ record, dueAt }) => ({
          _id: record.jobId,
          version: record.version,
          rev: 1,
          dueAt,
          endedAt: record.endedAt,
          pending: record.pending.length,
          shard: shardOf(record.jobId),
          ...bodyOf(record),
          ...specOf(record),
        })),
      ),
    compareAndSetMany: (swaps) => schedules.compareAndSetMany('schedules.save', swaps.map(swapOf)),
    async postponeIfUnchanged({ rowId, rev }, dueAt) {
      await schedules.updateOne('schedules.postpone', { _id: idOf(rowId), rev }, { $set: { dueAt } })
    },
    async listSummaries(after, limit) {
      const filter = after === null ? {} : { _id: where({ $gt: idOf(after) }) }
      const options = { sort: { _id: 1 }, limit, fields: ['rev', 'dueAt', 'endedAt'] } as const
      const found = await schedules.find('schedules.summaries', filter, options)
      const rows = found.map(({ _id, rev, dueAt, endedAt }) => ({ rowId: rowIdOf(_id), rev, dueAt, endedAt }))
      return { rows, next: found.length === limit ? (rows.at(-1)?.rowId ?? null) : null }
    },
    purgeManyIfUnchanged: (rows) =>
      schedules.deleteEach(
        'schedules.purge',
        rows.map(({ rowId, rev }) => ({ id: idOf(rowId), guard: { rev } })),
      ),
  }
}
