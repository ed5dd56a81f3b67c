import { defineCollection, type Filter, type MongoDatabase, type MongoRecord, where } from '@belfry/storage/mongo'
import type { FireRange } from '../../domain/schedule-record.ts'
import type { FireLogStore } from '../ports.ts'

/** A range; `_id` is made of the job, `from` and `decision`. */
interface RangeDocument extends MongoRecord, FireRange {
  readonly jobId: string
  /** Of missed fire times: when they were logged. */
  readonly loggedAt?: number
}

export const fireLogCollection = defineCollection<RangeDocument>({
  name: 'fireLog',
  schema: {
    _id: String,
    jobId: String,
    from: Number,
    to: Number,
    count: Number,
    decision: String,
    reason: String,
    version: Number,
    loggedAt: Number,
  },
  indexes: [
    { fields: { jobId: 1, from: -1, decision: -1 } },
    { fields: { to: 1 } },
    { fields: { loggedAt: 1, _id: 1 }, only: { loggedAt: { $exists: true } } },
  ],
})

const fields = ['from', 'to', 'count', 'decision', 'reason', 'version'] as const

/** The fire log in MongoDB. */
export function createFireLogStore(db: MongoDatabase): FireLogStore {
  const ranges = db.collection(fireLogCollection)
  return {
    async upsertMany(rows, loggedAt = 0) {
      const documents = rows.map(({ jobId, range }): RangeDocument => {
        const document = { _id: `${jobId}:${range.from}:${range.decision}`, jobId, ...range }
        return range.decision === 'missed' ? { ...document, loggedAt } : document
      })
      const isNew = await ranges.insertManyIfAbsent('fire-log.upsert', documents)
      const known = documents.filter((_, index) => !isNew[index])
      await ranges.updateEach(
        'fire-log.upsert',
        known.map(({ _id, to, count, reason, version }) => ({
          id: _id,
          guard: { $or: [{ version: where({ $lt: version }) }, { version, count: where({ $gt: count }) }] },
          update: { $set: { to, count, reason, version } },
        })),
      )
    },
    async listOfJob(jobId, { limit, after = null, decision, from, to }) {
      const older = after && {
        $or: [{ from: where({ $lt: after.from }) }, { from: after.from, decision: where({ $lt: after.decision }) }],
      }
      const filter: Filter<RangeDocument> = {
        $and: [
          { jobId, count: where({ $gt: 0 }), ...(decision && { decision }), ...older },
          from === undefined ? {} : { to: where({ $gte: from }) },
          to === undefined ? {} : { from: where({ $lte: to }) },
        ],
      }
      const found = await ranges.find('fire-log.list', filter, { sort: { from: -1, decision: -1 }, limit, fields })
      return found.map(({ from, to, count, decision, reason, version }) => {
        return { from, to, count, decision, reason, version }
      })
    },
    async listMissed({ at, id }, limit) {
      const filter: Filter<RangeDocument> = {
        $and: [
          { loggedAt: where({ $gte: at }), count: where({ $gt: 0 }) },
          { $or: [{ loggedAt: where({ $gt: at }) }, { _id: where({ $gt: id }) }] },
        ],
      }
      const found = await ranges.find('fire-log.missed', filter, { sort: { loggedAt: 1, _id: 1 }, limit })
      return found.map(({ _id, jobId, loggedAt = 0, from, to, count, decision, reason, version }) => {
        return { at: loggedAt, id: _id, jobId, range: { from, to, count, decision, reason, version } }
      })
    },
    async purge(before, limit) {
      const old = await ranges.find('fire-log.old', { to: where({ $lt: before }) }, { limit, fields: ['_id'] })
      await ranges.deleteEach(
        'fire-log.purge',
        old.map(({ _id }) => ({ id: _id, guard: { to: where({ $lt: before }) } })),
      )
      return old.length === limit
    },
  }
}
