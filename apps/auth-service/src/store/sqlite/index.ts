import { createAuditStore } from '@belfry/audit/sqlite'
import type { OpenStoresOptions } from '@belfry/storage'
import { createCursorStore, type Database, withSteps } from '@belfry/storage/sqlite'
import type { Stores } from '../ports.ts'
import { durableSteps } from '../steps.ts'
import { createSqliteAdmins } from './admins.ts'
import { createSqliteApiKeys } from './api-keys.ts'
import { createSqliteKeys } from './keys.ts'
import { migrations } from './migrations.ts'
import { createSqliteSessions } from './sessions.ts'
import { createSqliteUsers } from './users.ts'

export { migrations }

/** The stores over a database that has this service's `migrations`; `close` closes it. */
export function createSqliteStores(given: Database): Stores {
  const db = withSteps(given, durableSteps.sqlite)
  return {
    users: createSqliteUsers(db),
    keys: createSqliteKeys(db),
    cursors: createCursorStore(db),
    audit: createAuditStore(db),
    admins: createSqliteAdmins(db),
    sessions: createSqliteSessions(db),
    apiKeys: createSqliteApiKeys(db),
    close: () => db.close(),
  }
}

export async function openSqliteStores(path: string, { thread }: Pick<OpenStoresOptions, 'thread'>): Promise<Stores> {
  return createSqliteStores(await thread().open(path, migrations))
}
