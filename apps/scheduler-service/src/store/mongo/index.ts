import type { OpenStoresOptions } from '@belfry/storage'
import {
  createCursorStore,
  createPoisonStore,
  cursorsCollection,
  openMongo,
  poisonCollection,
} from '@belfry/storage/mongo'
import type { Stores } from '../ports.ts'
import { durableSteps } from '../steps.ts'
import { createFireLogStore, fireLogCollection } from './fire-log.ts'
import { createScheduleStore, schedulesCollection } from './schedules.ts'

const collections = [schedulesCollection, fireLogCollection, cursorsCollection, poisonCollection]

/** Opens the database of the URL, `belfry-scheduler` where it names none. */
export async function openMongoStores(url: string, options: Omit<OpenStoresOptions, 'thread'>): Promise<Stores> {
  const steps = durableSteps.mongo
  const db = await openMongo(url, { ...options, database: 'belfry-scheduler', schemaVersion: 1, collections, steps })
  return {
    schedules: createScheduleStore(db),
    fireLog: createFireLogStore(db),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, options.clock),
    close: db.close,
  }
}
