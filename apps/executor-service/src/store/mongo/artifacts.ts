import { type Collection, type MongoDatabase, where } from '@belfry/storage/mongo'
import type { ArtifactStore } from '../ports.ts'
import { idOf, rowIdOf } from './execution-record.ts'
import { keyWithin } from './keys.ts'
import { artifactsCollection, executionsCollection, type FileRecord } from './records.ts'

/** Attempts whose files are looked up together. */
const epochsAtOnce = 500

/** The artifacts in MongoDB: the executor caps their size below that of a document. */
export function createArtifactStore(db: MongoDatabase): ArtifactStore {
  const files: Collection<FileRecord> = db.collection(artifactsCollection)
  const executions = db.collection(executionsCollection)
  const fileId = (execution: string, epoch: number, name: string) => keyWithin(execution, String(epoch), name)

  return {
    async put(some) {
      const records = some.map(({ rowId, epoch, name, body }): FileRecord => {
        return { _id: fileId(idOf(rowId), epoch, name), execution: idOf(rowId), body: Buffer.from(body) }
      })
      // One at a time: a batch of them may be longer than a message to the database.
      for (const record of records) {
        const [isNew] = await files.insertManyIfAbsent('artifacts.put', [record])
        if (!isNew) await files.updateOne('artifacts.put', { _id: record._id }, { $set: { body: record.body } })
      }
    },
    async read(rowId, epoch, name) {
      const found = await files.findOne('artifacts.read', { _id: fileId(idOf(rowId), epoch, name) })
      return found && bytesOf(found.body)
    },
    async readNewest(rowId, epoch, name) {
      const execution = idOf(rowId)
      for (let last = epoch; last > 0; last -= epochsAtOnce) {
        const epochs = Array.from({ length: Math.min(last, epochsAtOnce) }, (_, index) => last - index)
        const ids = epochs.map((one) => fileId(execution, one, name))
        const found = await files.find('artifacts.newest', { _id: where({ $in: ids }) }, { fields: ['_id'] })
        const known = new Set(found.map(({ _id }) => _id))
        const newest = ids.find((id) => known.has(id))
        const file = newest === undefined ? undefined : await files.findOne('artifacts.newest', { _id: newest })
        if (file) return bytesOf(file.body)
      }
      return undefined
    },
    async purgeOrphans(after, limit) {
      const filter = { _id: where({ $gt: after === null ? '' : idOf(after) }) }
      const walked = await files.find('artifacts.walk', filter, { sort: { _id: 1 }, limit, fields: ['execution'] })
      const ids = [...new Set(walked.map(({ execution }) => execution))]
      const found = await executions.find('artifacts.walk', { _id: where({ $in: ids }) }, { fields: ['_id'] })
      const known = new Set(found.map(({ _id }) => _id))
      const orphans = walked.filter(({ execution }) => !known.has(execution)).map(({ _id }) => ({ id: _id }))
      const purged = await files.deleteEach('artifacts.purge', orphans)
      const last = walked.length === limit ? walked.at(-1) : undefined
      return { purged, next: last ? rowIdOf(last._id) : null }
    },
  }
}

/** The driver gives bytes as a type of its own. */
function bytesOf(body: Buffer | { readonly buffer: Uint8Array }): Uint8Array {
  return Buffer.isBuffer(body) ? body : body.buffer
}
