import type { Clock } from '@belfry/service'
import type { OpenStoresOptions } from '@belfry/storage'
import { createCursorStore, createPoisonStore, type Database, withSteps } from '@belfry/storage/sqlite'
import type { Stores } from '../ports.ts'
import { durableSteps } from '../steps.ts'
import { createFireLogStore } from './fire-log.ts'
import { migrations } from './migrations.ts'
import { createScheduleStore } from './schedules.ts'

export { migrations }

/** The stores over scheduler.db, whose schema is at `migrations`. */
export function createSqliteStores(given: Database, clock: Clock): Stores {
  const db = withSteps(given, durableSteps.sqlite)
  return {
    schedules: createScheduleStore(db),
    fireLog: createFireLogStore(db),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, clock),
    close: db.close,
  }
}

/** Opens scheduler.db at `path`. */
export async function openSqliteStores(
  path: string,
  { thread, clock }: Pick<OpenStoresOptions, 'thread' | 'clock'>,
): Promise<Stores> {
  return createSqliteStores(await thread().open(path, migrations), clock)
}
