import { type Clock, createManualClock } from '@belfry/service'
import { createTestDeps, dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import { openStores } from '../../src/store/index.ts'
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
export function openMongo(url: string, clock: Clock = createManualClock(start)): Promise<Stores> {
  const deps = createTestDeps({ logLevel: 'silent' }).depsOf('executor-service')
  const thread = () => {
    throw new Error('a document database needs no thread of SQLite')
  }
  return openStores(url, { ...deps, thread, clock })
}

/** Empty stores in a database of their own, which goes when they are closed. */
export async function createMongoStores(): Promise<Stores> {
  const name = uniqueName('executor')
  const stores = await openMongo(databaseUrl(name))
  const close = async () => {
    await stores.close()
    await dropMongoDatabase(mongoUrl ?? '', name)
  }
  return { ...stores, close }
}
