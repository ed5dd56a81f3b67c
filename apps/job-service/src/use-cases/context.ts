import type { CommandPublisher, Relay } from '@belfry/bus'
import type { Clock, Logger, Slices } from '@belfry/service'
import type { RowId } from '@belfry/storage'
import type { LRUCache } from 'lru-cache'
import type { ExecutionRecords } from '../clients/execution-records.ts'
import type { Executors } from '../clients/executors.ts'
import type { JobTypeList } from '../clients/job-types.ts'
import type { Scheduler } from '../clients/scheduler.ts'
import type { Users } from '../clients/users.ts'
import type { JobConfig } from '../config.ts'
import type { Sealer } from '../domain/sealing.ts'
import type { StoredJob, Stores } from '../store/ports.ts'
import type { ConcurrencyLimiter } from './concurrency-limiter.ts'
import type { Intake } from './intake.ts'
import type { LastMissed } from './last-missed.ts'
import type { ScheduleCache } from './schedule-cache.ts'
import type { Waiters } from './waiters.ts'

/** The dependencies of the use cases; service.ts makes them once. Every use case answers only after what it did is durable. */
export interface JobContext {
  readonly stores: Stores
  readonly executors: Executors
  readonly scheduler: Scheduler
  /** The executions of the executors, whole. */
  readonly records: Pick<ExecutionRecords, 'fetch'>
  readonly types: JobTypeList
  readonly users: Users
  /** Publishes new versions of jobs without waiting for the relay's sweep. */
  readonly relay: Pick<Relay<'job-changes', RowId>, 'offer'>
  /** Holds callers while too many new jobs wait for the scheduler, or triggers for the executors. */
  readonly intake: { readonly jobs: Intake; readonly triggers: Intake }
  /** Changes of one job come one after the other. */
  readonly turns: ConcurrencyLimiter
  readonly commands: Pick<CommandPublisher, 'enqueue' | 'isFull'>
  readonly schedules: ScheduleCache
  readonly lastMissed: LastMissed
  /** Batches share the event loop with the timers, slice by slice. */
  readonly slices: Slices
  /** Seals what may not be read in the store. */
  readonly sealer: Sealer
  /** The jobs of the last triggers, by owner and ref. */
  readonly triggered: LRUCache<string, StoredJob>
  /** Calls that wait for an end. */
  readonly waiters: Waiters
  readonly clock: Clock
  readonly log: Logger
  readonly config: JobConfig
}
