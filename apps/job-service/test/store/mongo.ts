import { createLog, createManualClock, createMetrics, type ManualClock } from '@belfry/service'
import { dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import { openStores } from '../../src/index.ts'
import type { Stores } from '../../src/store/ports.ts'
import { monday } from '../fixtures.ts'

export const mongoUrl = peerUrl('mongo')

/** The URL of a database that no other test uses, on the server behind this address. */
export function databaseUrl(server: string, name = uniqueName('job')): string {
  return `${server.replace(/\/?$/, '/')}${name}`
}

/** Opens stores of job-service in the database of the URL. */
export function openMongoTestStores(url: string, clock: ManualClock = createManualClock(monday)): Promise<Stores> {
  const log = createLog({ level: 'silent' })
  const metrics = createMetrics().forService('job-service')
  const thread = () => {
    throw new Error('MongoDB needs no store thread')
  }
  return openStores(url, { clock, log, metrics, thread })
}

/** Removes the database of the URL. */
export async function dropDatabase(url: string): Promise<void> {
  await dropMongoDatabase(url, url.split('/').at(-1) ?? '')
}

/** Stores whose database is removed when they are closed. */
export async function openPassingStores(clock?: ManualClock): Promise<Stores> {
  const url = databaseUrl(mongoUrl ?? '')
  const stores = await openMongoTestStores(url, clock)
  const close = async () => {
    await stores.close()
    await dropDatabase(url)
  }
  return { ...stores, close }
}
