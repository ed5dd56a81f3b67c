import { type Clock, createManualClock } from '@belfry/service'
import { openMongo } from '@belfry/storage/mongo'
import { createTestDeps, dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import { onTestFinished } from 'vitest'
import { openStores } from '../../src/store/index.ts'
import { collections, executionsCollection, schemaVersion } from '../../src/store/mongo/records.ts'
import type { Stores } from '../../src/store/ports.ts'
import { start } from '../samples.ts'

/** The server's address; undefined where there is none. */
export const mongoUrl = peerUrl('mongo')

/** The URL of a database on the server, or on what stands between at `port`. */
export function databaseUrl(name: string, port?: number): string {
  const url = new URL(mongoUrl ?? '')
  url.pathname = `/${name}`
  if (port !== undefined) url.host = `127.0.0.1:${port}`
  return url.href
}

/** The executor's stores in a database; several may be opened on one. */
export function openMongoStores(url: string, clock: Clock = createManualClock(start)): Promise<Stores> {
  const deps = createTestDeps({ logLevel: 'silent' }).depsOf('executor-service')
  const thread = () => {
    throw new Error('a document database needs no thread of SQLite')
  }
  return openStores(url, { ...deps, thread, clock })
}

/** Empty stores in a database of their own, which goes when they are closed. */
export async function createMongoStores(): Promise<Stores> {
  const name = uniqueName('executor')
  const stores = await openMongoStores(databaseUrl(name))
  const close = async () => {
    await stores.close()
    await dropMongoDatabase(mongoUrl ?? '', name)
  }
  return { ...stores, close }
}

/** The records of executions in a database of their own, which goes at the end of the test. */
export async function openRecords() {
  const name = uniqueName('executor')
  const { log, metrics } = createTestDeps({ logLevel: 'silent' }).depsOf('executor-service')
  const db = await openMongo(databaseUrl(name), {
    database: name,
    schemaVersion,
    steps: null,
    collections,
    log,
    metrics,
  })
  onTestFinished(async () => {
    await db.close()
    await dropMongoDatabase(mongoUrl ?? '', name)
  })
  return { db, records: db.collection(executionsCollection) }
}
