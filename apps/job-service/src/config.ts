import { auditConfig } from '@belfry/audit'
import { duration, leastReconcileSettleMs } from '@belfry/contracts'
import { defaultTimezone } from '@belfry/schedules'
import { configKey, retentionClockConfig, secretKey } from '@belfry/service'
import { z } from 'zod'

const count = (usual: number, least = 1) => z.coerce.number().int().min(least).default(usual)
const mib = 1024 * 1024

/** What job-service reads from the environment, each with the prefix `BELFRY_` (operations.md, configuration). */
export const jobConfig = z.object({
  /** Standalone: no other process can open the store. */
  mode: z.enum(['standalone', 'distributed']).default('standalone'),
  /** The zone of schedules and times that name none. */
  timezone: defaultTimezone,
  /** The address that job-service listens on, for the gateway and the other services; port 0 takes any free one. */
  jobHost: z.string().min(1).default('127.0.0.1'),
  jobPort: z.coerce.number().int().min(0).max(65_535).default(0),
  /** Jobs that one user may have; cancelled ones do not count. Beyond it a new job is refused with 429. */
  jobMostPerUser: count(100_000),
  /** What the bodies of all requests under way may take up together, bytes; bodies up to 16 KiB count for nothing. */
  jobBodiesBytes: count(16 * mib),
  /** Rows that one page of a filtered list looks at, in all and at a time. */
  jobScanRows: count(5_000, 201),
  jobScanChunkRows: count(1_000),
  /** Longest body of a page, bytes, and most that its stored rows may have together; one row is always shown. */
  jobPageBytes: count(mib, 1024),
  /** Lists of one user that are read at a time, and that wait for those; more are refused. */
  jobListsAtWork: count(4),
  jobListsWaiting: count(100, 0),
  /** A job's newest executions that its status looks at. */
  jobStatusRows: count(100),
  /**
   * How long after its time an execution that has not started is shown as waiting for a slot, milliseconds: longer than a
   * claim and the delivery of its status take (the relay's sweep, which repeats what got lost, runs every second).
   */
  jobSlotWaitMs: count(1_000, 0),
  /** Calls with `until=terminal` that wait in one job-service, in all; more are refused with 429. */
  jobWaiters: count(500, 0),
  /** Calls with `until=terminal` of one user that wait in one job-service; more are refused with 429. */
  jobWaitersOfUser: count(20, 0),
  /** How often such a call looks for what another instance has stored, milliseconds. */
  jobWaitPollMs: count(250, 10),
  /** Jobs that one bulk pause or resume changes; a further call goes on. */
  jobBulkRows: count(200),
  /** Changes of jobs, and cancels of executions, that a bulk call makes at a time. */
  jobBulkAtWork: count(20),
  /** Dead letters that one redrive looks at, and that it runs again in one batch. */
  jobRedriveScanRows: count(100_000, 1_000),
  jobRedriveRows: count(200),
  /** Compiled schedules that are cached, for the next fire time that answers show. */
  jobCompiledSchedules: count(2_000),
  /** Jobs that are cached from their last trigger, and bytes of them. */
  jobRememberedJobs: count(500),
  jobRememberedBytes: count(16 * mib),
  /** Triggers that may wait for the bus, and bytes of them; beyond it they are refused. */
  jobTriggerBacklog: count(10_000),
  jobTriggerBacklogBytes: count(8 * mib),
  /** When a command without an answer is sent again, each wait twice the last one up to the longest, milliseconds. */
  jobResendMs: count(5_000),
  jobResendMaxMs: count(60_000),
  /** How often commands and changes are looked for that must be sent again, milliseconds. */
  jobResendPollMs: count(1_000),
  /** How long what is due of another instance's share is left to it, milliseconds. */
  jobOverdueMs: count(500),
  /** Commands that are sent again at a time, and bytes of them; one is sent whatever its size. */
  jobResendRows: count(500),
  jobResendBytes: count(4 * mib),
  /** Fences of changes that are repeated at a time. */
  jobFenceRows: count(20),
  /**
   * How long the executors may take to confirm a change, milliseconds; afterwards the answer is 202 `pending`. Must be below
   * BELFRY_BREAKER_TIMEOUT_MS, or the gateway answers 504 first.
   */
  jobFenceTimeoutMs: count(2_000),
  /**
   * How long the scheduler may take to answer, milliseconds. A change may wait for both, so the two together must be below
   * BELFRY_BREAKER_TIMEOUT_MS.
   */
  jobSchedulerTimeoutMs: count(800),
  /** How long auth-service may take to say who the viewers of a job are, milliseconds. */
  jobUsersTimeoutMs: count(1_000),
  /** How often pauses that end are looked for, milliseconds, and how many are ended at a time. */
  jobPauseEndMs: count(500),
  jobPauseEndRows: count(100),
  /** How often executions are compared with the executors', milliseconds. */
  jobReconcileMs: count(30_000),
  /** How long a change may have been stored before a comparison sees it, milliseconds: at least three times the age of a change number. */
  jobReconcileSettleMs: count(60_000, leastReconcileSettleMs),
  /** Executions that are compared at a time. */
  jobReconcileRows: count(1_000).refine((rows) => rows <= 1_000, 'must be at most 1000'),
  /** Executions that reconcile could not store and fetches again in each round; beyond it the next round begins with them. */
  jobReconcileSkipped: count(1_000),
  /** How long the executors may take to answer a comparison, milliseconds. */
  jobReconcileTimeoutMs: count(5_000),
  /** What one answer to the scheduler's comparison holds, bytes; one job is sent whatever its size. */
  jobFetchBytes: count(mib),
  /** How often the list of job types is fetched, and how soon again when it is needed, milliseconds. */
  jobTypesMs: count(30_000),
  jobTypesAgainMs: count(1_000),
  /** How long the job types of an executor count that is not registered any more, milliseconds. */
  jobTypesKeepMs: count(600_000, 0),
  /** How long answers are stored for an Idempotency-Key, milliseconds (api.md: 24 h). */
  jobRequestKeepMs: count(86_400_000),
  /**
   * How long a request with an Idempotency-Key that another process has begun must have been seen unfinished to count as dead,
   * milliseconds; 0: there is no other process. Left out: 0 standalone, 15,000 distributed.
   */
  jobRequestTryMs: z.coerce.number().int().min(0).optional(),
  /**
   * The key that seals the values of secrets and the keys of webhooks in the store: a random text of at least 32 bytes. Distributed: required, the
   * same in every process of job-service. Standalone, left out: a random one, made once, in the file `secrets.key` of BELFRY_DATA_DIR.
   */
  secretsKey: secretKey().optional().meta({ isSecret: true }),
  /** The key before this one, while something is still sealed with it: it opens, and seals nothing. */
  secretsKeyPrevious: secretKey().optional().meta({ isSecret: true }),
  /** Secrets that one user may have. */
  jobMostSecrets: count(200),
  ...retentionClockConfig,
  ...auditConfig,
  /** How long finished executions are stored; an older command belongs to one that was purged. */
  retentionExecutions: duration({ min: 7 * 86_400_000 }).prefault('30d'),
  /** How often old requests and executions are purged, milliseconds, and how many at a time. */
  jobPurgeMs: count(600_000),
  jobPurgeRows: count(500),
})
export type JobConfig = z.output<typeof jobConfig>

/** What must hold between settings of job-service, and of its process. */
export function jobRules(
  config: Pick<JobConfig, 'jobFenceTimeoutMs' | 'jobSchedulerTimeoutMs'> & { readonly breakerTimeoutMs: number },
  context: z.core.$RefinementCtx,
): void {
  const { jobFenceTimeoutMs: fence, jobSchedulerTimeoutMs: scheduler, breakerTimeoutMs } = config
  if (fence + scheduler < breakerTimeoutMs) return
  const isFence = fence >= breakerTimeoutMs
  const below = `must be below ${configKey('breakerTimeoutMs')}`
  const message = `${isFence ? below : `with the time for a fence ${below}`}: a slow service is to give 202, not 504`
  context.addIssue({ code: 'custom', path: [isFence ? 'jobFenceTimeoutMs' : 'jobSchedulerTimeoutMs'], message })
}

/** How long an open try of another process must have been seen to count as dead, milliseconds. */
export function otherTryMsOf({ mode, jobRequestTryMs }: Pick<JobConfig, 'mode' | 'jobRequestTryMs'>): number {
  return jobRequestTryMs ?? (mode === 'standalone' ? 0 : 15_000)
}
