import { createBatcher } from '@belfry/service'
import { defineCollection, type MongoDatabase, type MongoRecord, where } from '@belfry/storage/mongo'
import { contentOf } from './content.ts'
import type { AuditScope, AuditStore } from './port.ts'
import type { AuditOutcome, AuditRow, NewAuditRow } from './row.ts'
import type { Seal } from './seal.ts'

/** A row; `_id` is its number as text of one length. A field that is null is left out. */
interface AuditRecord extends MongoRecord {
  readonly at: number
  readonly status?: number
  readonly version?: number
  readonly isFrozen?: boolean
  readonly actor?: string
  readonly action: string
  readonly target?: string
  readonly also?: readonly string[]
  readonly actorName?: string
  readonly via: string
  readonly requestId: string
  readonly address?: string
}

const auditCollection = defineCollection<AuditRecord>({
  name: 'audit',
  schema: {
    _id: String,
    at: Number,
    status: Number,
    version: Number,
    isFrozen: Boolean,
    actor: String,
    action: String,
    target: String,
    also: [String],
    actorName: String,
    via: String,
    requestId: String,
    address: String,
  },
  indexes: [{ fields: { actor: 1, _id: 1 } }, { fields: { target: 1, _id: 1 } }],
})

/** A seal; `_id` is its number as text of one length. */
interface SealRecord extends MongoRecord, Omit<Seal, 'no'> {}

const sealsCollection = defineCollection<SealRecord>({
  name: 'auditSeals',
  schema: {
    _id: String,
    first: Number,
    last: Number,
    count: Number,
    firstAt: Number,
    lastAt: Number,
    previous: String,
    hash: String,
  },
})

/** The collections, for the opening of every service that records requests. */
export const auditCollections = [auditCollection, sealsCollection]

/** A number may be handed out this long before its row is stored, milliseconds; a write takes a few seconds at most. */
const settleMs = 60_000
/** Rows of one insert. */
const batchLimit = 500

const idOf = (n: number) => String(n).padStart(16, '0')

function recordOf(n: number, row: NewAuditRow): AuditRecord {
  const { at, actorId, actorName, via, action, target, requestId, address } = row
  return {
    ...{ _id: idOf(n), at, action, via, requestId },
    ...(actorId !== null && { actor: actorId }),
    ...(actorName !== null && { actorName }),
    ...(target !== null && { target }),
    ...(address !== null && { address }),
  }
}

function readRow(record: AuditRecord): AuditRow {
  const { _id, at, status, version, actor, action, target, also, actorName, via, requestId, address } = record
  return {
    ...{ n: Number(_id), at, actorId: actor ?? null, actorName: actorName ?? null, via: via as AuditRow['via'] },
    ...{ action, target: target ?? null, also: [...(also ?? [])], version: version ?? null, status: status ?? null },
    ...{ requestId, address: address ?? null },
  }
}

function outcomeUpdate({ actor, status, target, also, version }: AuditOutcome) {
  const fields = {
    status,
    ...(actor && { actor: actor.id, actorName: actor.name }),
    ...(target !== null && { target }),
    ...(version !== null && { version }),
    ...(also.length > 0 && { also: [...also] }),
  }
  return { $set: fields }
}

function readSeal({ _id, first, last, count, firstAt, lastAt, previous, hash }: SealRecord): Seal {
  return { no: Number(_id), first, last, count, firstAt, lastAt, previous, hash }
}

/** Of a row, whether it may be sealed. */
const peeked = ['_id', 'status', 'at'] as const

interface Waiting {
  readonly row: NewAuditRow
  readonly resolve: (n: number) => void
  readonly reject: (error: unknown) => void
}

/** `AuditStore` on `auditCollections`. The rows of one iteration of the event loop are one insert. */
export function createAuditStore(db: MongoDatabase): AuditStore {
  const rows = db.collection(auditCollection)
  const seals = db.collection(sealsCollection)
  const absent = where<never>({ $exists: false })

  async function insert(batch: readonly Waiting[]): Promise<void> {
    try {
      const last = await db.nextNumbers('audit', batch.length)
      const numberOf = (index: number) => last - batch.length + 1 + index
      await rows.insertManyIfAbsent(
        'audit.append',
        batch.map(({ row }, index) => recordOf(numberOf(index), row)),
      )
      for (const [index, { resolve }] of batch.entries()) resolve(numberOf(index))
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
  const batcher = createBatcher<Waiting>((all) => {
    for (let at = 0; at < all.length; at += batchLimit) void insert(all.slice(at, at + batchLimit))
  })

  const scopeFilter = ({ actorId, target }: AuditScope) => ({
    ...(actorId !== undefined && { actor: actorId }),
    ...(target !== undefined && { target }),
  })
  const between = (after: number, upTo: number) => where<string>({ $gt: idOf(after), $lte: idOf(upTo) })

  return {
    settleMs,
    append: (row) => new Promise<number>((resolve, reject) => batcher.add({ row, resolve, reject })),
    async complete(outcomes) {
      const changes = outcomes.map((one) => ({
        id: idOf(one.n),
        guard: { status: absent, isFrozen: absent },
        update: outcomeUpdate(one),
      }))
      if (changes.length > 0) await rows.updateEach('audit.complete', changes)
    },
    async list(scope, before, limit) {
      const filter = { ...scopeFilter(scope), _id: where<string>({ $lt: idOf(before ?? Number.MAX_SAFE_INTEGER) }) }
      return (await rows.find('audit.list', filter, { sort: { _id: -1 }, limit })).map(readRow)
    },
    head: () => db.newestNumber('audit'),
    async peek(after, upTo, openSince, limit) {
      const found = await rows.find(
        'audit.peek',
        { _id: between(after, upTo) },
        { sort: { _id: 1 }, limit, fields: peeked },
      )
      const open = found.findIndex(({ status, at }) => status === undefined && at > openSince)
      const ready = open === -1 ? found : found.slice(0, open)
      const last = ready.at(-1)
      if (!last) return null
      return {
        count: ready.length,
        last: Number(last._id),
        oldestAt: ready.reduce((a, { at }) => Math.min(a, at), last.at),
      }
    },
    async readContent(after, upTo) {
      const found = await rows.find('audit.content', { _id: between(after, upTo) }, { sort: { _id: 1 } })
      return contentOf(found.map(readRow))
    },
    async freeze(after, upTo) {
      await rows.updateMany(
        'audit.freeze',
        { _id: between(after, upTo), isFrozen: absent },
        { $set: { isFrozen: true } },
      )
    },
    async newestSeal() {
      const seal = await seals.findOne('audit.newest-seal', {}, { sort: { _id: -1 } })
      return seal ? readSeal(seal) : null
    },
    async insertSeal({ no, ...seal }) {
      const [isNew] = await seals.insertManyIfAbsent('audit.seal', [{ _id: idOf(no), ...seal }])
      return isNew === true
    },
    async listSeals(after, limit) {
      const filter = { _id: where<string>({ $gt: idOf(after) }) }
      return (await seals.find('audit.seals', filter, { sort: { _id: 1 }, limit })).map(readSeal)
    },
    async removeThrough({ no, last }) {
      // A seal without its rows would look like a broken one; rows without their seal go with the next call.
      await seals.deleteMany('audit.remove', { _id: where<string>({ $lte: idOf(no) }) })
      await rows.deleteMany('audit.remove', { _id: where<string>({ $lte: idOf(last) }) })
    },
  }
}
