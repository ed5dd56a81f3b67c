import type { Clock, ServiceDeps } from '@belfry/service'
import { openMongo } from '@belfry/storage/mongo'
import { createTestDeps, dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import type { Stores } from '../../src/index.ts'
import { openMongoStores } from '../../src/store/mongo/index.ts'
import { schedulesCollection } from '../../src/store/mongo/schedules.ts'

/** The address of the server, or undefined where there is none. */
export const mongoUrl = peerUrl('mongo')

/** The stores, and `settle`: waits for the calls that are under way, and answers whether there were any. */
function withSettle(stores: Stores) {
  const underWay = new Set<Promise<unknown>>()
  const watch = <S extends object>(store: S) => {
    const entries = Object.entries(store).map(([verb, method]: [string, (...args: unknown[]) => Promise<unknown>]) => {
      const watched = (...args: unknown[]) => {
        const answer = method(...args)
        const done = answer.catch(() => undefined).finally(() => underWay.delete(done))
        underWay.add(done)
        return answer
      }
      return [verb, watched]
    })
    return Object.fromEntries(entries) as S
  }
  const { schedules, fireLog, cursors, poison, close } = stores
  const watched = {
    schedules: watch(schedules),
    fireLog: watch(fireLog),
    cursors: watch(cursors),
    poison: watch(poison),
  }
  const settle = async () => {
    const some = underWay.size > 0
    await Promise.all(underWay)
    return some
  }
  return { stores: { ...watched, close }, settle }
}

/**
 * The stores over a new database of the real server. `spoil` makes the record of a job unreadable. Closing them removes the
 * database.
 */
export async function openMongoTestStores(
  clock: Clock,
  deps: Pick<ServiceDeps, 'log' | 'metrics'> = createTestDeps().depsOf('scheduler-service'),
) {
  const name = uniqueName('scheduler')
  const url = new URL(name, mongoUrl).href
  const stores = await openMongoStores(url, { ...deps, clock })
  const spoil = async (jobId: string) => {
    const db = await openMongo(url, {
      ...deps,
      database: name,
      schemaVersion: 1,
      steps: null,
      collections: [schedulesCollection],
    })
    await db.collection(schedulesCollection).updateOne('test.spoil', { _id: jobId }, { $set: { body: '{' } })
    await db.close()
  }
  const close = async () => {
    await stores.close()
    await dropMongoDatabase(url, name)
  }
  return { ...withSettle({ ...stores, close }), spoil }
}
