import { type Collection, type MongoDatabase, where } from '@belfry/storage/mongo'
import type { Admission } from '../../admission/admission.ts'
import type { AdmissionStore } from '../ports.ts'
import { idOf, rowIdOf } from './execution-record.ts'
import { type AdmissionRecord, admissionsCollection } from './records.ts'

/** Earlier versions wrote no `waiting`. */
type Body = Pick<Admission, 'minVersion' | 'floors' | 'places'> & Partial<Pick<Admission, 'waiting'>>

function admissionOf({ _id, rev, unsettled, body }: AdmissionRecord): Admission {
  return { jobId: _id, rev, unsettled, waiting: [], ...(JSON.parse(body) as Body) }
}

function fieldsOf({ jobId, rev, unsettled, minVersion, floors, places, waiting }: Admission, at: number) {
  const body: Body = { minVersion, floors, places, waiting }
  const unsettledOf = unsettled > 0 ? jobId : null
  return { rev, neededAt: at, unsettled, unsettledOf, body: JSON.stringify(body) } satisfies Partial<AdmissionRecord>
}

/** The admissions in MongoDB: one record per job that has ever been fenced or held an overlap place. */
export function createAdmissionStore(db: MongoDatabase): AdmissionStore {
  const admissions: Collection<AdmissionRecord> = db.collection(admissionsCollection)
  const after = (rowId: Parameters<typeof idOf>[0] | null) => where({ $gt: rowId === null ? '' : idOf(rowId) })

  return {
    async read(jobIds) {
      const ids = [...new Set(jobIds)]
      const [only] = ids
      if (only === undefined) return []
      // docs/protocol.md step 9: what a fence wrote before the claim was acknowledged must be seen (decision 027).
      const filter = ids.length === 1 ? { _id: only } : { _id: where({ $in: ids }) }
      const found = await admissions.find('admissions.read', filter, { level: 'linearizable' })
      const byJob = new Map(found.map((one) => [one._id, one]))
      return jobIds.map((jobId) => {
        const record = byJob.get(jobId)
        return record && admissionOf(record)
      })
    },
    async compareAndSetMany(step, updates, at) {
      const counted = updates.map(() => false)
      const firsts = new Set<string>()
      const places = [...updates.keys()].filter((index) => {
        const jobId = updates[index]?.to.jobId ?? ''
        return !firsts.has(jobId) && firsts.add(jobId)
      })
      const some = (isNew: boolean) => places.filter((index) => (updates[index]?.from.rev === 0) === isNew)
      const note = (indexes: readonly number[], answers: readonly boolean[]) => {
        for (const [place, index] of indexes.entries()) counted[index] = answers[place] ?? false
      }
      const made = some(true)
      const records = made.flatMap((index): AdmissionRecord[] => {
        const to = updates[index]?.to
        return to ? [{ _id: to.jobId, ...fieldsOf(to, at) }] : []
      })
      if (made.length > 0) note(made, await admissions.insertManyIfAbsent(`admissions.${step}`, records))
      const changed = some(false)
      const swaps = changed.flatMap((index) => {
        const update = updates[index]
        if (!update) return []
        const { from, to } = update
        return [{ id: to.jobId, guard: { rev: from.rev }, update: { $set: fieldsOf(to, at) } }]
      })
      if (changed.length > 0) note(changed, await admissions.compareAndSetMany(`admissions.${step}`, swaps))
      return counted
    },
    async listUnsettled(rowId, limit) {
      const filter = { unsettledOf: after(rowId) }
      const found = await admissions.find('admissions.unsettled', filter, { sort: { unsettledOf: 1 }, limit })
      const last = found.length === limit ? found.at(-1) : undefined
      return { rows: found.map(admissionOf), next: last ? rowIdOf(last._id) : null }
    },
    async touch(jobIds, at) {
      if (jobIds.length === 0) return
      const filter = { _id: where({ $in: jobIds }), neededAt: where({ $lt: at }) }
      await admissions.updateMany('admissions.touch', filter, { $set: { neededAt: at } })
    },
    async list(rowId, limit) {
      const options = { sort: { _id: 1 }, limit, fields: ['rev', 'neededAt'] } as const
      const found = await admissions.find('admissions.list', { _id: after(rowId) }, options)
      const last = found.length === limit ? found.at(-1) : undefined
      return {
        rows: found.map(({ _id, rev, neededAt }) => ({ rowId: rowIdOf(_id), jobId: _id, rev, neededAt })),
        next: last ? rowIdOf(last._id) : null,
      }
    },
    async purgeMany(rows) {
      const guarded = rows.map(({ rowId, rev, neededAt }) => ({ id: idOf(rowId), guard: { rev, neededAt } }))
      return admissions.deleteEach('admissions.purge', guarded)
    },
  }
}
