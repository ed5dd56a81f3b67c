import { defineCollection, type MongoDatabase, type MongoRecord, where } from '@belfry/storage/mongo'
import type { Secret } from '../../domain/secret.ts'
import type { SecretStore } from '../secret-port.ts'
import { rowIdOf } from './positions.ts'

/** A secret; `_id` is `ownerId:name`. */
interface SecretRecord extends MongoRecord, Secret {}

export const secretsCollection = defineCollection<SecretRecord>({
  name: 'secrets',
  schema: { _id: String, ownerId: String, name: String, sealed: String, createdAt: Number, updatedAt: Number },
  indexes: [{ fields: { ownerId: 1, name: 1 } }],
})

const idOf = (ownerId: string, name: string) => `${ownerId}:${name}`

function readSecret({ ownerId, name, sealed, createdAt, updatedAt }: SecretRecord): Secret {
  return { ownerId, name, sealed, createdAt, updatedAt }
}

/** `SecretStore` on the collection `secrets`. */
export function createSecretStore(db: MongoDatabase): SecretStore {
  const secrets = db.collection(secretsCollection)
  return {
    async put(secret, most) {
      const { ownerId, name, sealed, updatedAt } = secret
      const _id = idOf(ownerId, name)
      for (;;) {
        const changed = await secrets.findOneAndUpdate('secrets.put', { _id }, { $set: { sealed, updatedAt } })
        if (changed) return { secret: readSecret(changed), isNew: false }
        if ((await secrets.count('secrets.count', { ownerId }, most)) >= most) return 'too-many'
        const [isNew] = await secrets.insertManyIfAbsent('secrets.put', [{ _id, ...secret }])
        if (isNew) return { secret, isNew }
      }
    },
    async list(ownerId, { after, limit }) {
      const filter = { ownerId, ...(after !== null && { name: where({ $gt: after }) }) }
      return (await secrets.find('secrets.list', filter, { sort: { name: 1 }, limit })).map(readSecret)
    },
    async readMany(ownerId, names) {
      if (names.length === 0) return []
      const filter = { _id: where({ $in: names.map((name) => idOf(ownerId, name)) }) }
      return (await secrets.find('secrets.read', filter, { limit: names.length })).map(readSecret)
    },
    async listAll(after, limit) {
      const filter = { _id: where({ $gt: String(after ?? '') }) }
      const rows = await secrets.find('secrets.list', filter, { sort: { _id: 1 }, limit })
      const last = rows.length === limit ? rows.at(-1) : undefined
      return { rows: rows.map(readSecret), next: last ? rowIdOf(last._id) : null }
    },
    async reseal({ ownerId, name, sealed: before }, sealed) {
      const swap = { id: idOf(ownerId, name), guard: { sealed: before }, update: { $set: { sealed } } }
      const [isSet] = await secrets.compareAndSetMany('secrets.reseal', [swap])
      return isSet === true
    },
    async remove(ownerId, name) {
      const id = idOf(ownerId, name)
      const found = await secrets.findOne('secrets.read', { _id: id })
      if (!found || (await secrets.deleteEach('secrets.remove', [{ id }])) === 0) return undefined
      return readSecret(found)
    },
  }
}
