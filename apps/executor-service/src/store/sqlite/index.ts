import type { Clock } from '@belfry/service'
import { createUnreadableReport, type OnUnreadable, type OpenStoresOptions } from '@belfry/storage'
import { createCursorStore, createPoisonStore, type Database, withSteps } from '@belfry/storage/sqlite'
import type { Stores } from '../ports.ts'
import { durableSteps } from '../steps.ts'
import { createAdmissionStore } from './admissions.ts'
import { createArtifactStore } from './artifacts.ts'
import { createExecutionStore } from './executions.ts'
import { createExecutorStore } from './executors.ts'
import { createLogStore } from './logs.ts'
import { migrations } from './schema.ts'

export { migrations }

/** All stores of the executor over one SQLite file, which `migrations` have prepared. `close` closes the file. */
export function createSqliteStores(
  given: Database,
  clock: Clock,
  onUnreadable: OnUnreadable = () => undefined,
): Stores {
  const db = withSteps(given, durableSteps.sqlite)
  return {
    executions: createExecutionStore(db, onUnreadable),
    admissions: createAdmissionStore(db),
    executors: createExecutorStore(db),
    logs: createLogStore(db),
    artifacts: createArtifactStore(db),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, clock),
    close: () => db.close(),
  }
}

/** Opens the file, or creates it. */
export async function openSqliteStores(path: string, options: OpenStoresOptions): Promise<Stores> {
  const { thread, clock, log, metrics } = options
  return createSqliteStores(await thread().open(path, migrations), clock, createUnreadableReport(log, metrics))
}
