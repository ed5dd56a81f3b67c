import { auditConfig } from '@belfry/audit'
import { publicAddress } from '@belfry/bootstrap'
import { duration, leastReconcileSettleMs } from '@belfry/contracts'
import { streamConfig } from '@belfry/http'
import { defaultTimezone } from '@belfry/schedules'
import { configKey, retentionClockConfig, secretKey } from '@belfry/service'
import { z } from 'zod'

const count = (usual: number, least = 1) => z.coerce.number().int().min(least).default(usual)
const mib = 1024 * 1024

/** What job-service reads from the environment, each with the prefix `BELFRY_` (docs/configuration.md). */
export const jobConfig = z.object({
  /** Standalone: no other process can open the store. */
  mode: z.enum(['standalone', 'distributed']).default('standalone'),
  /** The zone of schedules and times that name none. */
  timezone: defaultTimezone,
  /** The address that job-service listens on, for the gateway and the other services. */
  jobHost: z.string().min(1).default('127.0.0.1'),
  /** The port that job-service listens on; 0 takes any free one. */
  jobPort: z.coerce.number().int().min(0).max(65_535).default(0),
  /** Jobs that one user may have; cancelled ones do not count. Beyond it a new job is refused with 429. */
  jobMostPerUser: count(100_000),
  /** New jobs that may wait for the scheduler before callers are held; a batch is taken whatever its size when nothing waits. */
  jobIntakeRows: count(4_000),
  /** The same for jobs that are due soon, which go before the others. */
  jobIntakeSoonRows: count(20_000),
  /** Triggers that may wait for the executors before callers are held. */
  jobIntakeTriggers: count(2_000),
  /** How long a caller is held before it is refused with 429, milliseconds. Must be below BELFRY_BREAKER_TIMEOUT_MS. */
  jobIntakeHoldMs: count(1_000, 0),
  /** Until when before its first fire time a new job may wait behind others, milliseconds: longer than BELFRY_SCHEDULER_LOOKAHEAD_MS. */
  jobSoonMs: count(10_000),
  /** What the bodies of all requests under way may take up together, bytes; bodies up to 16 KiB count for nothing. */
  jobBodiesBytes: count(16 * mib),
  /** Rows that one page of a filtered list looks at; a page may be short although more follows. */
  jobScanRows: count(5_000, 201),
  /** How many of these rows are read from the store at a time. */
  jobScanChunkRows: count(1_000),
  /** Longest body of a page, bytes, and most that its stored rows may have together; one row is always shown. */
  jobPageBytes: count(mib, 1024),
  /** Lists of one user that are read at a time. */
  jobListsAtWork: count(4),
  /** Lists of one user that wait for those; more are refused with 429. */
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
  /** Executions that one redrive looks at for those that fit its filter. */
  jobRedriveScanRows: count(100_000, 1_000),
  /** Dead letters that a redrive runs again in one batch. */
  jobRedriveRows: count(200),
  /** How long what the scheduler says about missed fire times holds for the status of a job, milliseconds. */
  jobMissedHoldsMs: count(5_000, 0),
  /** Jobs whose missed fire times are cached for their status. */
  jobMissedHeld: count(10_000),
  /** Compiled schedules that are cached, for the next fire time that answers show. */
  jobCompiledSchedules: count(2_000),
  /** Jobs that are cached from their last trigger. */
  jobRememberedJobs: count(500),
  /** What these jobs may take up in memory together, bytes. */
  jobRememberedBytes: count(16 * mib),
  /** Triggers that may wait for the bus; beyond it they are refused with 429. */
  jobTriggerBacklog: count(10_000),
  /** What waiting triggers may take up in memory together, bytes; beyond it they are refused with 429. */
  jobTriggerBacklogBytes: count(8 * mib),
  /** After which time without an answer the command of a trigger is sent again, milliseconds; each further wait is twice the one before. */
  jobResendMs: count(5_000),
  /** The longest of these waits, milliseconds. */
  jobResendMaxMs: count(60_000),
  /** How often commands and changes are looked for that must be sent again, milliseconds. */
  jobResendPollMs: count(1_000),
  /** How long what is due of another instance's share is left to it, milliseconds. */
  jobOverdueMs: count(500),
  /** Commands of triggers that are sent again at a time. */
  jobResendRows: count(500),
  /** What the commands that are sent again at a time take up together, bytes; one is sent whatever its size. */
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
  /** How often pauses that end are looked for, milliseconds. */
  jobPauseEndMs: count(500),
  /** Pauses that are ended at a time. */
  jobPauseEndRows: count(100),
  /** How often executions are compared with the executors', milliseconds. */
  jobReconcileMs: count(30_000),
  /** How old the change of an execution must be for a comparison to count it, milliseconds: at least three times the greatest age of a change number. */
  jobReconcileSettleMs: count(60_000, leastReconcileSettleMs),
  /** Executions that are compared at a time. */
  jobReconcileRows: count(1_000).refine((rows) => rows <= 1_000, 'must be at most 1000'),
  /** Executions that reconcile could not store and fetches again in each round; beyond it the next round begins with them. */
  jobReconcileSkipped: count(1_000),
  /** How long the executors may take to answer a comparison, milliseconds. */
  jobReconcileTimeoutMs: count(5_000),
  /** What one answer to the scheduler's comparison holds, bytes; one job is sent whatever its size. */
  jobFetchBytes: count(mib),
  /** How often the list of job types is fetched from the executors, milliseconds. */
  jobTypesMs: count(30_000),
  /** How soon the list of job types may be fetched again for a job that needs it, milliseconds. */
  jobTypesAgainMs: count(1_000),
  /** How long the job types of an executor count that is not registered any more, milliseconds. */
  jobTypesKeepMs: count(600_000, 0),
  ...streamConfig,
  /** How often changes are read for streams of events while there are some, milliseconds. */
  jobEventPollMs: count(250, 10),
  /** Changes that are read for streams of events at a time. */
  jobEventRows: count(100).refine((rows) => rows <= 200, 'must be at most 200'),
  /** Events that are held for the streams of this instance. */
  jobEventsHeld: count(5_000),
  /** Changes that a client of a stream of events may have missed, at most, to go on where it stopped. */
  jobEventsBehind: count(10_000),
  /**
   * How much later a stream shows a change than it was made, milliseconds: a database of several instances may store changes out
   * of their order for that long. The first stream of an instance opens that much later. Must be below BELFRY_BREAKER_TIMEOUT_MS. Left out: 0
   * standalone, 2,000 distributed.
   */
  jobEventSettleMs: z.coerce.number().int().min(0).optional(),
  /** How long answers are stored for an Idempotency-Key, milliseconds. */
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
  /** How often what an earlier key has sealed is looked for, to be sealed with BELFRY_SECRETS_KEY, milliseconds; at the start at once. */
  jobResealMs: count(600_000),
  /** Secrets, and keys of webhooks, that are looked at for that at a time. */
  jobResealRows: count(200),
  /** Secrets that one user may have. */
  jobMostSecrets: count(200),
  /** Where users reach Belfry (see the gateway): the addresses in messages begin with it. Without it they have no host. */
  publicUrl: publicAddress,
  /** Notifications that one user may have. */
  jobMostNotifications: count(50),
  /** Events of one job and one kind within this time after a message are reported together by the next one, milliseconds. */
  jobNotifyWindowMs: count(60_000, 0),
  /** How often events that are to be reported, and messages that are due, are looked for, milliseconds. */
  jobNotifyPollMs: count(500),
  /** Events that are reported, and messages that are looked at, at a time. */
  jobNotifyRows: count(200),
  /** Messages of one user that may wait; beyond it the oldest are dropped, which their list shows. */
  jobNotifyPending: count(1_000),
  /** Messages that are sent at a time. Those of one user are at most half of them. */
  jobNotifyConcurrency: count(40, 2),
  /** Messages that are sent to one target at a time. */
  jobNotifyPerTarget: count(2),
  /** How long a target may take to answer, and a connection to open, milliseconds. */
  jobNotifyTimeoutMs: count(15_000),
  /** How long a message is left to the process that sends it, milliseconds: longer than a target may take to answer. */
  jobNotifyLeaseMs: count(60_000),
  /** Whether webhooks may reach loopback, private and other addresses that are not public. */
  jobNotifyAllowPrivate: z.stringbool().default(false),
  /** Name lookups for webhooks at a time. */
  jobNotifyLookups: count(4, 2),
  /** Name lookups for the webhooks of one user at a time. */
  jobNotifyOwnerLookups: count(1),
  /** How long messages are stored after they were made. */
  jobNotifyKeep: duration({ min: 60_000 }).prefault('7d'),
  /** How long an event that has been reported is stored, so that its repetition is noticed, milliseconds. */
  jobNotifyReportedMs: count(600_000, 60_000),
  /** How often the scheduler is asked for missed fire times, milliseconds. */
  jobMissedPollMs: count(5_000),
  /** How far the clocks of schedulers may differ, and their writes be late, for a missed fire time to be seen, milliseconds. */
  jobMissedSettleMs: count(60_000, 1_000),
  /** How long the key before a rotated one of a webhook signs on. */
  jobWebhookOverlap: duration({ min: 0 }).prefault('24h'),
  /** Mails of one user in an hour, codes and repetitions included; further ones wait. */
  jobMailsPerHour: count(60),
  /** Mails to one address in a day, of all users together; further ones wait. */
  jobMailsToAddressPerDay: count(300),
  /** Codes that may be sent to one address in a day to confirm it, of all users together. */
  jobMailCodesPerDay: count(5),
  /** How long a code confirms an address. */
  jobMailCodeLifetime: duration({ min: 60_000 }).prefault('1d'),
  /** The mail server, `smtp://user:password@host:587` or `smtps://…`. Without it a notification by mail is refused. */
  smtpUrl: z
    .string()
    .regex(/^smtps?:\/\/[^\s]+$/, 'is not an address such as "smtps://user:password@mail.example:465"')
    .optional()
    .meta({ isSecret: true }),
  /** The sender of mails. */
  smtpFrom: z.string().min(3).max(320).default('Belfry <belfry@localhost>'),
  /** Domains that mails may be sent to, with commas between. Left out: all. */
  smtpDomains: z
    .string()
    .transform((text) => text.split(',').map((one) => one.trim().toLowerCase()))
    .optional(),
  ...retentionClockConfig,
  ...auditConfig,
  /** How long another service may take to read its audit log, milliseconds. Must be below BELFRY_BREAKER_TIMEOUT_MS. */
  auditReadTimeoutMs: count(2_500),
  /** How long finished executions are stored; an older command belongs to one that was purged. */
  retentionExecutions: duration({ min: 7 * 86_400_000 }).prefault('30d'),
  /**
   * How much longer job-service stores its copy of an execution than the executor stores the execution, milliseconds: more than
   * BELFRY_EXECUTOR_PURGE_MS, and than the clocks of two machines may differ.
   */
  retentionCopyMarginMs: z.coerce.number().int().min(10_000).max(86_400_000).default(3_600_000),
  /** How often old requests, jobs and executions are purged, milliseconds. */
  jobPurgeMs: count(600_000),
  /** Records that job-service purges at a time. */
  jobPurgeRows: count(500),
  /** Pages of jobs in a row without one to purge that are read at once, before the purge waits for its next time. */
  jobPurgePages: count(40),
})
export type JobConfig = z.output<typeof jobConfig>

type RuleConfig = Pick<JobConfig, 'jobFenceTimeoutMs' | 'jobSchedulerTimeoutMs'> & Partial<JobConfig>

/** What must hold between the settings of notifications. */
function notificationRules(config: Partial<JobConfig>, refuse: (path: keyof JobConfig, message: string) => void): void {
  const { jobNotifyTimeoutMs, jobNotifyLeaseMs, jobNotifyReportedMs, jobMissedSettleMs } = config
  const { jobNotifyLookups, jobNotifyOwnerLookups } = config
  const isAbove = (one: number | undefined, other: number | undefined) => one === undefined || one > (other ?? 0)
  if (!isAbove(jobNotifyLeaseMs, jobNotifyTimeoutMs))
    refuse('jobNotifyLeaseMs', `must be above ${configKey('jobNotifyTimeoutMs')}: another process would send it too`)
  if (!isAbove(jobNotifyReportedMs, jobMissedSettleMs))
    refuse('jobNotifyReportedMs', `must be above ${configKey('jobMissedSettleMs')}: what is read again must be known`)
  if (!isAbove(jobNotifyLookups, jobNotifyOwnerLookups))
    refuse('jobNotifyOwnerLookups', `must be below ${configKey('jobNotifyLookups')}: others must find a free one`)
}

/** What must hold between settings of job-service, and of its process. */
export function jobRules(
  config: RuleConfig & { readonly breakerTimeoutMs: number },
  context: z.core.$RefinementCtx,
): void {
  const refuse = (path: keyof JobConfig, message: string) => context.addIssue({ code: 'custom', path: [path], message })
  notificationRules(config, refuse)
  if ((config.jobEventSettleMs ?? 0) >= config.breakerTimeoutMs)
    refuse('jobEventSettleMs', `must be below ${configKey('breakerTimeoutMs')}: a stream is to open before 504`)
  const { jobFenceTimeoutMs: fence, jobSchedulerTimeoutMs: scheduler, breakerTimeoutMs } = config
  if (fence + scheduler < breakerTimeoutMs) return
  const isFence = fence >= breakerTimeoutMs
  const below = `must be below ${configKey('breakerTimeoutMs')}`
  const message = `${isFence ? below : `with the time for a fence ${below}`}: a slow service is to give 202, not 504`
  refuse(isFence ? 'jobFenceTimeoutMs' : 'jobSchedulerTimeoutMs', message)
}

/** How much later a stream shows a change than it was made, milliseconds. */
export function eventSettleMsOf({ mode, jobEventSettleMs }: Pick<JobConfig, 'mode' | 'jobEventSettleMs'>): number {
  return jobEventSettleMs ?? (mode === 'standalone' ? 0 : 2_000)
}

/** How long an open try of another process must have been seen to count as dead, milliseconds. */
export function otherTryMsOf({ mode, jobRequestTryMs }: Pick<JobConfig, 'mode' | 'jobRequestTryMs'>): number {
  return jobRequestTryMs ?? (mode === 'standalone' ? 0 : 15_000)
}
