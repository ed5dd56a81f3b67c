import type { PoisonStore } from '@belfry/bus'
import type { Clock } from '@belfry/service'
import { createCursorStore, createPoisonStore, type Database } from '@belfry/storage/sqlite'
import type { CursorStore, FireLogStore, ScheduleStore } from '../../domain/ports.ts'
import { createFireLogStore } from './fire-log.ts'
import { createScheduleStore } from './schedules.ts'

export { migrations } from './migrations.ts'

/** All that scheduler-service keeps. */
export interface Stores {
  readonly schedules: ScheduleStore
  readonly fireLog: FireLogStore
  readonly cursors: CursorStore
  readonly poison: PoisonStore
}

/** The stores over scheduler.db, whose schema is at `migrations`. */
export function createSqliteStores(db: Database, clock: Clock): Stores {
  return {
    schedules: createScheduleStore(db),
    fireLog: createFireLogStore(db),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, clock),
  }
}
