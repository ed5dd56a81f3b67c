import { StorageError } from '@belfry/storage'
import { defineCollection, type MongoDatabase, type MongoRecord } from '@belfry/storage/mongo'
import type { SigningKey } from '../../keys/signing-keys.ts'
import type { KeyStore } from '../ports.ts'

/** A signing key; `_id` is its `kid`. */
interface KeyDocument extends MongoRecord, Omit<SigningKey, 'kid'> {}

export const keysCollection = defineCollection<KeyDocument>({
  name: 'signingKeys',
  schema: { _id: String, privatePem: String, publicX: String, createdAt: Number },
})

/** The keys that sign tokens, in MongoDB. */
export function createKeyStore(db: MongoDatabase): KeyStore {
  const keys = db.collection(keysCollection)
  return {
    async list() {
      return (await keys.find('keys.list', {})).map(({ _id: kid, ...key }) => ({ kid, ...key }))
    },
    async insert({ kid, ...key }) {
      const [isNew] = await keys.insertManyIfAbsent('keys.insert', [{ _id: kid, ...key }])
      if (!isNew) throw new StorageError('constraint', `there is a signing key ${kid}`)
    },
    async removeMany(kids) {
      await keys.deleteEach(
        'keys.remove',
        kids.map((kid) => ({ id: kid })),
      )
    },
  }
}
