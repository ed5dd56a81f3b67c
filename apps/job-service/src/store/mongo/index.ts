import { createAuditStore } from '@belfry/audit/mongo'
import { createUnreadableReport, type OpenStoresOptions } from '@belfry/storage'
import { createCursorStore, createPoisonStore, openMongo } from '@belfry/storage/mongo'
import type { Stores } from '../ports.ts'
import { durableSteps } from '../steps.ts'
import { collections } from './collections.ts'
import { createExecutionStore } from './executions.ts'
import { createJobStore } from './jobs.ts'
import { createNotificationStores } from './notifications.ts'
import { createRequestStore } from './requests.ts'
import { createSecretStore } from './secrets.ts'

/** Raised with every change of the records that an older Belfry cannot read. */
const schemaVersion = 1

/** Opens the stores in the database that the URL names, else in `belfry-job`. */
export async function openMongoStores(url: string, options: OpenStoresOptions): Promise<Stores> {
  const { clock, log, metrics, crashAt } = options
  const steps = durableSteps.mongo
  const db = await openMongo(url, { database: 'belfry-job', schemaVersion, collections, log, metrics, crashAt, steps })
  const deps = { db, clock, onUnreadable: createUnreadableReport(log, metrics) }
  return {
    jobs: createJobStore(deps),
    executions: createExecutionStore(deps),
    requests: createRequestStore(db),
    secrets: createSecretStore(db),
    ...createNotificationStores(deps),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, clock),
    audit: createAuditStore(db),
    close: () => db.close(),
  }
}
