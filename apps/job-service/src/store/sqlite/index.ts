import type { Clock, Logger, Metrics } from '@belfry/service'
import { createUnreadableReport, type OnUnreadable } from '@belfry/storage'
import { createCursorStore, createPoisonStore, type Database, type StoreThread } from '@belfry/storage/sqlite'
import type { Stores } from '../ports.ts'
import { createExecutionStore } from './executions.ts'
import { createJobStore } from './jobs.ts'
import { migrations } from './migrations.ts'
import { createRequestStore } from './requests.ts'

export interface SqliteOptions {
  /** The thread of all SQLite files of a process. */
  readonly thread: StoreThread
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** Opens the file, and brings its schema to `migrations`. */
export async function openSqliteStores(path: string, { thread, clock, log, metrics }: SqliteOptions): Promise<Stores> {
  return createSqliteStores(await thread.open(path, migrations), clock, createUnreadableReport(log, metrics))
}

/** The stores over a database whose schema is at `migrations`. */
export function createSqliteStores(db: Database, clock: Clock, onUnreadable: OnUnreadable = () => undefined): Stores {
  return {
    jobs: createJobStore(db, onUnreadable),
    executions: createExecutionStore(db, onUnreadable),
    requests: createRequestStore(db),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, clock),
    close: () => db.close(),
  }
}
