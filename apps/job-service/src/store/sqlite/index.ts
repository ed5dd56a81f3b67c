import type { PoisonStore } from '@belfry/bus'
import type { Clock } from '@belfry/service'
import type { OnUnreadable } from '@belfry/storage'
import { createCursorStore, createPoisonStore, type Database } from '@belfry/storage/sqlite'
import type { CursorStore, ExecutionStore, JobStore } from '../../domain/ports.ts'
import { createExecutionStore } from './executions.ts'
import { createJobStore } from './jobs.ts'
import { createRequestStore, type KeptRequests } from './requests.ts'

export { migrations } from './migrations.ts'

/** All that job-service keeps. */
export interface Stores {
  readonly jobs: JobStore
  readonly executions: ExecutionStore
  readonly requests: KeptRequests
  readonly cursors: CursorStore
  readonly poison: PoisonStore
}

/** The stores over jobs.db, whose schema is at `migrations`. */
export function createSqliteStores(db: Database, clock: Clock, onUnreadable: OnUnreadable = () => undefined): Stores {
  return {
    jobs: createJobStore(db, onUnreadable),
    executions: createExecutionStore(db, onUnreadable),
    requests: createRequestStore(db),
    cursors: createCursorStore(db),
    poison: createPoisonStore(db, clock),
  }
}
