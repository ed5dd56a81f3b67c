import { createAuditStore } from '@belfry/audit/sqlite'
import type { Clock } from '@belfry/service'
import { createUnreadableReport, type OnUnreadable, type OpenStoresOptions } from '@belfry/storage'
import { createCursorStore, createPoisonStore, type Database, withSteps } from '@belfry/storage/sqlite'
import type { Stores } from '../ports.ts'
import { durableSteps } from '../steps.ts'
import { createExecutionStore } from './executions.ts'
import { createJobStore } from './jobs.ts'
import { migrations } from './migrations.ts'
import { createNotificationStores } from './notifications.ts'
import { createRequestStore } from './requests.ts'
import { createSecretStore } from './secrets.ts'

/** Opens the file, and brings its schema to `migrations`. */
export async function openSqliteStores(path: string, options: OpenStoresOptions): Promise<Stores> {
  const { thread, clock, log, metrics } = options
  return createSqliteStores(await thread().open(path, migrations), clock, createUnreadableReport(log, metrics))
}

/** The stores over a database whose schema is at `migrations`. */
export function createSqliteStores(
  given: Database,
  clock: Clock,
  onUnreadable: OnUnreadable = () => undefined,
): Stores {
  const db = withSteps(given, durableSteps.sqlite)
  return {
    jobs: createJobStore(db, onUnreadable),
    executions: createExecutionStore(db, onUnreadable),
    requests: createRequestStore(db),
    secrets: createSecretStore(db),
    ...createNotificationStores(db, onUnreadable),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, clock),
    audit: createAuditStore(db),
    close: () => db.close(),
  }
}
