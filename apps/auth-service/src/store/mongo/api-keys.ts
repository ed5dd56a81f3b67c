import { defineCollection, type MongoDatabase, type MongoRecord } from '@belfry/storage/mongo'
import type { ApiKey } from '../../api-keys/api-key.ts'
import type { ApiKeyStore } from '../ports.ts'

interface ApiKeyDocument extends MongoRecord, Omit<ApiKey, 'id'> {}

export const apiKeysCollection = defineCollection<ApiKeyDocument>({
  name: 'apiKeys',
  schema: {
    _id: String,
    userId: String,
    name: String,
    role: String,
    hash: String,
    createdAt: Number,
    expiresAt: Number,
    lastUsedAt: Number,
  },
  indexes: [{ fields: { userId: 1 } }],
})

function keyOf({ _id: id, ...rest }: ApiKeyDocument): ApiKey {
  const { userId, name, role, hash, createdAt, expiresAt, lastUsedAt } = rest
  return { id, userId, name, role, hash, createdAt, expiresAt, lastUsedAt }
}

/** The API keys in MongoDB. */
export function createApiKeyStore(db: MongoDatabase): ApiKeyStore {
  const keys = db.collection(apiKeysCollection)
  return {
    async insert({ id, ...key }) {
      await keys.insertManyIfAbsent('apiKeys.insert', [{ _id: id, ...key }])
    },
    async find(id) {
      const found = await keys.findOne('apiKeys.find', { _id: id })
      return found && keyOf(found)
    },
    async listOfUser(userId) {
      return (await keys.find('apiKeys.ofUser', { userId }, { limit: 1000 })).map(keyOf)
    },
    async remove(id, userId) {
      return (await keys.deleteEach('apiKeys.remove', [{ id, guard: { userId } }])) === 1
    },
    async touch(id, at) {
      await keys.updateOne('apiKeys.touch', { _id: id }, { $set: { lastUsedAt: at } })
    },
  }
}
