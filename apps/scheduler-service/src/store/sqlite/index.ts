import type { Clock } from '@belfry/service'
import { createCursorStore, createPoisonStore, type Database } from '@belfry/storage/sqlite'
import type { Stores } from '../ports.ts'
import { createFireLogStore } from './fire-log.ts'
import { createScheduleStore } from './schedules.ts'

export { migrations } from './migrations.ts'

/** The stores over scheduler.db, whose schema is at `migrations`. */
export function createSqliteStores(db: Database, clock: Clock): Stores {
  return {
    schedules: createScheduleStore(db),
    fireLog: createFireLogStore(db),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, clock),
    close: db.close,
  }
}
