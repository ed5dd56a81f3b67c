import { openMongo } from '@belfry/storage/mongo'
import { openMemoryDatabase, withSteps } from '@belfry/storage/sqlite'
import { mongoSteps, numberSteps } from '@belfry/storage/steps'
import { createTestDeps, dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import { describe } from 'vitest'
import { auditCollections, createAuditStore as createMongoStore } from '../src/mongo.ts'
import { auditTables, createAuditStore } from '../src/sqlite.ts'
import { auditSteps } from '../src/steps.ts'
import { createDocumentStore } from './documents.ts'
import { describeAuditStore } from './store.contract.ts'

const mongo = peerUrl('mongo')

describeAuditStore('SQLite', async () => {
  const db = await openMemoryDatabase([{ name: 'audit log', sql: auditTables }])
  return { store: createAuditStore(withSteps(db, auditSteps)), close: () => db.close() }
})

describeAuditStore('documents', async () => ({ store: createDocumentStore(), close: async () => undefined }))

describe.skipIf(mongo === undefined)('on a real server', () => {
  describeAuditStore('MongoDB', async () => {
    const database = uniqueName('audit')
    const { log, metrics } = createTestDeps().depsOf('job-service')
    const db = await openMongo(mongo ?? '', {
      database,
      schemaVersion: 1,
      steps: [...mongoSteps, ...numberSteps, ...auditSteps],
      collections: auditCollections,
      log,
      metrics,
    })
    return {
      store: createMongoStore(db),
      async close() {
        await db.close()
        await dropMongoDatabase(mongo ?? '', database)
      },
    }
  })
})
