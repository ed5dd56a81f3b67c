import type { OpenStoresOptions } from '@belfry/storage'
import { openMongo } from '@belfry/storage/mongo'
import type { Stores } from '../ports.ts'
import { createKeyStore, keysCollection } from './keys.ts'
import { createUserStore, usersCollection } from './users.ts'

const collections = [usersCollection, keysCollection]

/** Opens the database of the URL, `belfry-auth` where it names none. */
export async function openMongoStores(url: string, options: Omit<OpenStoresOptions, 'thread'>): Promise<Stores> {
  const db = await openMongo(url, { ...options, database: 'belfry-auth', schemaVersion: 1, collections })
  return { users: createUserStore(db), keys: createKeyStore(db), close: db.close }
}
