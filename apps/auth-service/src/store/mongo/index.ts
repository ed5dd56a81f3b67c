import { auditCollections, createAuditStore } from '@belfry/audit/mongo'
import type { OpenStoresOptions } from '@belfry/storage'
import { createCursorStore, cursorsCollection, openMongo } from '@belfry/storage/mongo'
import type { Stores } from '../ports.ts'
import { createKeyStore, keysCollection } from './keys.ts'
import { createUserStore, usersCollection } from './users.ts'

const collections = [usersCollection, keysCollection, cursorsCollection, ...auditCollections]

/** Opens the database of the URL, `belfry-auth` where it names none. */
export async function openMongoStores(url: string, options: Omit<OpenStoresOptions, 'thread'>): Promise<Stores> {
  const db = await openMongo(url, { ...options, database: 'belfry-auth', schemaVersion: 1, collections })
  return {
    users: createUserStore(db),
    keys: createKeyStore(db),
    cursors: createCursorStore(db),
    audit: createAuditStore(db),
    close: db.close,
  }
}
