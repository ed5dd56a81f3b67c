import { duration, leastReconcileSettleMs } from '@belfry/contracts'
import { defaultTimezone } from '@belfry/schedules'
import { retentionClockConfig } from '@belfry/service'
import { z } from 'zod'

const count = (usual: number, least = 1) => z.coerce.number().int().min(least).default(usual)
const mib = 1024 * 1024

/** What scheduler-service reads from the environment, each with the prefix `BELFRY_` (docs/configuration.md). */
export const schedulerConfig = z.object({
  /** The zone of schedules and times that name none. */
  timezone: defaultTimezone,
  /** The address that scheduler-service listens on, for the gateway. */
  schedulerHost: z.string().min(1).default('127.0.0.1'),
  /** The port that scheduler-service listens on; 0 takes any free one. */
  schedulerPort: z.coerce.number().int().min(0).max(65_535).default(0),
  /** How early a fire time is handed to the executors, milliseconds. Whole seconds bring advances in phase with starts. */
  schedulerLookaheadMs: count(4_600),
  /** How often the store is polled for what is due, milliseconds. */
  schedulerPollMs: count(250, 10),
  /** How long what is due of another scheduler's share is left to it, milliseconds. */
  schedulerOverdueMs: count(500),
  /** Schedules that are read and stored at once. */
  schedulerPageRows: count(1_000),
  /** What the schedules that are read at once take up together, bytes; one is taken whatever its size. */
  schedulerPageBytes: count(4 * mib),
  /** How long one piece of work may hold the event loop, milliseconds. */
  schedulerSliceMs: count(4),
  /** From which age on a fire time that was not handed over is late, milliseconds. */
  schedulerMisfireAfterMs: count(60_000),
  /** Up to which age a late one still runs where its job has no `misfire`, milliseconds. */
  schedulerMisfireWithinMs: count(3_600_000),
  /** When a command that no `job-status` has acknowledged is sent again, twice as long each time, milliseconds. */
  schedulerResendMs: count(5_000),
  /** The longest wait before such a repetition, milliseconds. */
  schedulerResendMaxMs: count(60_000),
  /** Pending commands of one job; beyond it the job becomes late. */
  schedulerPendingLimit: count(64),
  /** Ranges of one job in its fire-log outbox. A change that comes late takes back several at once. */
  schedulerUndeliveredLimit: count(64, 16),
  /** How long a schedule that does not compile or cannot be read is quarantined, milliseconds. */
  schedulerAsideMs: count(3_600_000),
  /** Compiled cron expressions in the cache. */
  schedulerCompiledLimit: count(10_000),
  /** Commands that may wait for the bus; while it is full, what is sent again stays in its record. */
  schedulerSendBacklog: count(10_000),
  /** What the commands that wait for the bus may take up in memory together, bytes. */
  schedulerSendBacklogBytes: count(16 * mib),
  /** Commands in one publish. */
  schedulerSendRows: count(1_000),
  /** What the commands of one publish take up together, bytes; one is sent whatever its size. */
  schedulerSendBytes: count(4 * mib),
  /** How often a schedule is read again when another writer changed it meanwhile. */
  schedulerTries: count(10),
  /** How often schedules are compared with the jobs, milliseconds. */
  schedulerReconcileMs: count(30_000),
  /** How old the change of a job must be for a comparison to count it, milliseconds: at least three times the greatest age of a change number. */
  schedulerReconcileSettleMs: count(60_000, leastReconcileSettleMs),
  /** Job versions that are compared at a time. */
  schedulerReconcileRows: count(1_000).refine((rows) => rows <= 1_000, 'must be at most 1000'),
  /** How long job-service may take to answer, milliseconds. */
  schedulerReconcileTimeoutMs: count(5_000),
  /** How long job-service may take to find the job of a fire log, milliseconds; below the gateway's breaker. */
  schedulerJobTimeoutMs: count(2_000),
  ...retentionClockConfig,
  /** Jobs that reconcile could not apply and fetches again in each round; beyond it the next round begins with them. */
  schedulerReconcileSkipped: count(1_000),
  /** How long finished executions are kept; an older command is the echo of one that is gone. */
  retentionExecutions: duration({ min: 7 * 86_400_000 }).prefault('30d'),
  /** How often older schedules and ranges of the fire log are removed, milliseconds. */
  schedulerPurgeMs: count(600_000, 1000),
  /** Schedules and ranges that are removed at a time. */
  schedulerPurgeRows: count(500),
  /** Pages of schedules in a row without one to remove that are read at once, before the purge waits for its next time. */
  schedulerPurgePages: count(40),
})
export type SchedulerConfig = z.output<typeof schedulerConfig>
