import { auditCollections, createAuditStore } from '@belfry/audit/mongo'
import type { OpenStoresOptions } from '@belfry/storage'
import { createCursorStore, cursorsCollection, openMongo } from '@belfry/storage/mongo'
import type { Stores } from '../ports.ts'
import { durableSteps } from '../steps.ts'
import { adminsCollection, createAdminStore } from './admins.ts'
import { apiKeysCollection, createApiKeyStore } from './api-keys.ts'
import { createKeyStore, keysCollection } from './keys.ts'
import { createSessionStore, sessionsCollection } from './sessions.ts'
import { createUserStore, usersCollection } from './users.ts'

const collections = [
  ...[usersCollection, keysCollection, adminsCollection, sessionsCollection, apiKeysCollection],
  ...[cursorsCollection, ...auditCollections],
]

/** Opens the database of the URL, `belfry-auth` where it names none. */
export async function openMongoStores(url: string, options: Omit<OpenStoresOptions, 'thread'>): Promise<Stores> {
  const steps = durableSteps.mongo
  const db = await openMongo(url, { ...options, database: 'belfry-auth', schemaVersion: 2, collections, steps })
  return {
    users: createUserStore(db),
    keys: createKeyStore(db),
    cursors: createCursorStore(db),
    audit: createAuditStore(db),
    admins: createAdminStore(db),
    sessions: createSessionStore(db),
    apiKeys: createApiKeyStore(db),
    close: db.close,
  }
}
