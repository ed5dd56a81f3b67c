import type { Clock } from '@belfry/service'
import { createUnreadableReport, type OnUnreadable, type OpenStoresOptions } from '@belfry/storage'
import { createCursorStore, createPoisonStore, type MongoDatabase, openMongo } from '@belfry/storage/mongo'
import type { Stores } from '../ports.ts'
import { durableSteps } from '../steps.ts'
import { createAdmissionStore } from './admissions.ts'
import { createArtifactStore } from './artifacts.ts'
import { createExecutionStore } from './executions.ts'
import { createExecutorStore } from './executors.ts'
import { createLogStore } from './logs.ts'
import { collections, schemaVersion } from './records.ts'

/** The database where the URL names none. */
const ownDatabase = 'belfry-executor'

/** All stores of the executor over one database of a MongoDB server. `close` closes its connections. */
function createMongoStores(db: MongoDatabase, clock: Clock, onUnreadable: OnUnreadable): Stores {
  return {
    executions: createExecutionStore(db, clock, onUnreadable),
    admissions: createAdmissionStore(db),
    executors: createExecutorStore(db),
    logs: createLogStore(db),
    artifacts: createArtifactStore(db),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, clock),
    close: () => db.close(),
  }
}

/** Opens the database, with the collections' indexes. Waits for the server, for a bounded time. */
export async function openMongoStores(url: string, options: OpenStoresOptions): Promise<Stores> {
  const { clock, log, metrics, crashAt } = options
  const steps = durableSteps.mongo
  const db = await openMongo(url, { database: ownDatabase, schemaVersion, collections, log, metrics, crashAt, steps })
  return createMongoStores(db, clock, createUnreadableReport(log, metrics))
}
