import { shutdownConfig } from '@belfry/bootstrap'
import { duration } from '@belfry/contracts'
import { streamConfig } from '@belfry/http'
import { configKey, retentionClockConfig } from '@belfry/service'
import { z } from 'zod'
import { type Commands, readCommands } from './job-types/command/commands.ts'

const count = (byDefault: number, least = 1) => z.coerce.number().int().min(least).default(byDefault)
const mib = 1024 * 1024

/** What the executor reads from the environment, each with the prefix `BELFRY_` (docs/configuration.md). */
export const executorConfig = z.object({
  /** Standalone: no other process can open the store, so the executor gives no sign of life, and a start takes everything over. */
  mode: z.enum(['standalone', 'distributed']).default('standalone'),
  /** The address that executor-service listens on, for the gateway and the other services. */
  executorHost: z.string().min(1).default('127.0.0.1'),
  /** The port that executor-service listens on; 0 takes any free one. */
  executorPort: z.coerce.number().int().min(0).max(65_535).default(0),
  /** How long job-service may take to say whether a job is shared with a caller, milliseconds. */
  executorJobTimeoutMs: count(1_000),
  /** How long such an answer holds, milliseconds: so long a viewer that a change leaves out still reads logs. */
  executorReachHoldsMs: count(5_000, 0),
  /** How often an executor looks whether another one has drained the system, milliseconds. */
  executorDrainPollMs: count(1_000, 10),
  /** Attempts at a time of job types that compute. */
  executorConcurrency: count(50),
  /** Attempts at a time of job types that mostly wait. */
  executorIoConcurrency: count(200),
  /**
   * What one owner may have of the slots of each kind while others wait, as a share of them above 0; 1 lets one owner keep all
   * of them. While no other owner waits, one may have all. Nothing is stopped for another owner: attempts beyond an
   * owner's share do not count against the others, so for a time up to 2 - share times as many are at work as there are slots. The same share
   * holds for what is claimed and what waits in memory.
   */
  executorOwnerShare: z.coerce.number().gt(0).max(1).default(0.5),
  /**
   * Executions of each kind that are claimed beyond those slots, so that a free slot never waits for the store. A pause reaches
   * none of them, and no other executor runs them. Left out: 3,000 standalone, 1,000 distributed.
   */
  executorClaimAhead: z.coerce.number().int().min(0).optional(),
  /** Executions that wait for their time in memory; a poll finds the others when they are due. */
  executorArmed: count(10_000),
  /** What claimed executions, and those that wait for their time, may take up in memory together, bytes. */
  executorHeldBytes: count(64 * mib),
  /** From one poll for what is due to the next, milliseconds. */
  executorPollMs: count(250, 10),
  /**
   * From one search for executions of this executor's job types that another executor took, without having the type, to the next,
   * milliseconds.
   */
  executorOtherPollMs: count(250, 10),
  /** From one search for executions that may not start any more to the next, milliseconds. */
  executorExpiryMs: count(1000, 10),
  /** Executions that a poll reads at once. */
  executorPollRows: count(500),
  /**
   * Entries of the index of what is due that a poll looks through at most for executions of owners that hold little, past those
   * of owners that hold much. The next poll goes on where this one ended. 10,000 entries take the store 2 to 5 ms.
   */
  executorPollScanRows: count(10_000),
  /** What is read at once, bytes, by a poll, by a take-over, and of params; one execution is read whatever its size. */
  executorPageBytes: count(4 * mib),
  /** Executions of an executor that is gone that are given back at once. */
  executorRescueRows: count(200),
  /** How long an execution that cannot be read stays in quarantine before it is read again, milliseconds. */
  executorAsideMs: count(3_600_000),
  /** What one answer to job-service's comparison holds, bytes; one execution is sent whatever its size. */
  executorFetchBytes: count(mib),
  /** How long the share of another executor is left to it once it is due, milliseconds. */
  executorOverdueMs: count(500),
  /**
   * The least time before its own at which an execution is claimed, milliseconds. A claim that is early costs nothing; one that waits
   * behind other writes starts late (decision 045).
   */
  executorClaimLeadMinMs: count(100, 0),
  /** The most of it, milliseconds; between the two the lead follows what claims take. */
  executorClaimLeadMaxMs: count(400, 0),
  /** How long commands that are due wait for room before they are stored for later, milliseconds. */
  executorRoomWaitMs: count(100, 0),
  /**
   * How long they wait at most while slots are free, milliseconds: then the store is behind and not the attempts, and an
   * execution that is stored for later costs it twice as much as one that is stored as running.
   */
  executorRoomWaitMostMs: count(500, 0),
  /**
   * How long after its time an execution of a schedule may still find an overlap place before it is SKIPPED, milliseconds: a run of
   * three seconds on a schedule of every three seconds ends a few milliseconds after the time of the next one. A trigger is SKIPPED at once.
   */
  executorPlaceGraceMs: count(200, 0),
  /**
   * How long an execution that waits for an overlap place (policies `queue` and `cancel-running`, and backfills) is left before it is claimed
   * again, milliseconds. The end of the execution in its way wakes it at once; this makes up for an end that no executor saw.
   */
  executorPlaceRecheckMs: count(5000, 100),
  /**
   * How long an attempt must last before its start is recorded and it is shown as RUNNING, milliseconds. Of a shorter one the start is
   * stored with its end, which saves a write and a message.
   */
  executorRunningShownMs: count(100, 0),
  /**
   * From one search for executions that a cancel, pause or update has closed and that are still ready to the next,
   * milliseconds. Each change starts a search of its own; this one finds what a process that died has left.
   */
  executorSettleMs: count(5000, 10),
  /** Jobs whose closed executions one search ends. */
  executorSettleJobs: count(8),
  /** Executions of each of these jobs that one search ends. */
  executorSettleRows: count(200),
  /** From one sign of life to the next, milliseconds. Left out: 500 standalone, 1,000 distributed. */
  executorBeatMs: z.coerce.number().int().min(10).optional(),
  /**
   * How long another executor may give none before its executions are given back, milliseconds; an executor of which none got
   * through for so long starts nothing. At least three times the time between two. Left out: 2,000 standalone, 5,000 distributed.
   */
  executorLeaseMs: z.coerce.number().int().min(100).optional(),
  /** How long a handler may go on after its attempt is aborted; then its slot is given away, milliseconds. */
  executorAbortGraceMs: count(5000, 0),
  /** Lines that one attempt may log; a last line says that the rest is left out. */
  executorLogLines: count(10_000),
  /** What the lines of one attempt may be long together, bytes. */
  executorLogBytes: count(mib),
  /** Longest line of a log, bytes; a longer one is cut. */
  executorLogLineBytes: count(8192, 64),
  /** How long a line waits for others before it can be read, milliseconds. */
  executorLogFlushMs: count(500, 10),
  /** How often a stream asks for new lines of a log, milliseconds. */
  executorLogPollMs: count(250, 10),
  /** Lines of a log that a stream reads at a time. */
  executorLogPageLines: count(200),
  ...streamConfig,
  /** Artifacts that one attempt may store. */
  executorArtifacts: count(20, 0),
  /** Longest artifact, bytes. */
  executorArtifactBytes: count(10 * mib),
  /** Log lines about executions that ended FAILED, LOST or EXPIRED, in a second. */
  executorWarningsPerSecond: count(2000, 20),
  /** Such lines that may wait to be written; the rest is counted in one line. */
  executorWarningBacklog: count(10_000, 0),
  /** How long to wait before asking a store again that did not take something, milliseconds. */
  executorStoreRetryMs: count(1000, 10),
  /** Whether HTTP_CALL may reach loopback, private and other addresses that are not public. */
  executorAllowPrivate: z.stringbool().default(false),
  /**
   * Programs that COMMAND jobs may run: the path of a JSON file, or JSON text. Each name stands for `{executable, args, arguments, cwd, env,
   * timeout}` (docs/guide/commands.md). Left out: there is no job type COMMAND.
   */
  executorCommands: z
    .string()
    .transform((given, context): Commands => {
      const commands = readCommands(given)
      if (typeof commands !== 'string') return commands
      context.addIssue({ code: 'custom', message: commands })
      return z.NEVER
    })
    .optional(),
  /**
   * The folder with the handlers of your own job types: each `.ts`, `.js` and `.mjs` file in it is one (docs/guide/write-your-own-job.md). A folder
   * that is not there has none.
   */
  executorHandlers: z.string().min(1).default('./handlers'),
  /** Whether handler files that are new, changed or removed count at once; otherwise they do at the next start. */
  executorHandlersWatch: z.stringbool().default(false),
  /** Processes for handlers of that folder. An attempt of a job type with `slots: 'cpu'` has one for itself while it runs. */
  executorHandlersProcesses: count(8),
  /** Attempts of a job type with `slots: 'io'` that share a process. */
  executorHandlersAttempts: count(50),
  /** Memory that the code in one such process may use, MiB; the attempt that uses more fails, and its process is ended. */
  executorHandlersMemoryMb: count(256, 16),
  /** How long such a process stays that has nothing to do, milliseconds. */
  executorHandlersIdleMs: count(30_000, 0),
  /** How long a handler file may take to load, milliseconds. */
  executorHandlersLoadMs: count(10_000, 100),
  /**
   * How long such a process may be silent when it is asked to abort an attempt, milliseconds. Then it is ended without waiting for the grace
   * time, which it would not notice.
   */
  executorHandlersBlockedMs: count(500, 10),
  /** How long job-service may take to hand over the values of the secrets that params name, milliseconds. */
  executorSecretsTimeoutMs: count(5000, 100),
  ...retentionClockConfig,
  /** Name lookups of HTTP_CALLs at a time. The system's resolver answers as many at a time as half of BELFRY_THREADS. */
  executorLookups: count(8),
  /** How many of these lookups may be of one owner. */
  executorOwnerLookups: count(2),
  /** How long finished executions are kept; an older command is the repetition of one that is gone. */
  retentionExecutions: duration({ min: 7 * 86_400_000 }).prefault('30d'),
  /** How long the logs of finished executions are kept; at most as long as the executions, with which they go. */
  retentionLogs: duration({ min: 60_000 }).prefault('7d'),
  /** From one search for executions, logs and artifacts that need not be kept any more to the next, milliseconds. */
  executorPurgeMs: count(600_000, 1000),
  /** Rows that the executor purges at a time. */
  executorPurgeRows: count(200),
  ...shutdownConfig,
})
export type ExecutorConfig = z.output<typeof executorConfig>

const liveness = {
  standalone: { beatMs: 500, leaseMs: 2000 },
  distributed: { beatMs: 1000, leaseMs: 5000 },
}

/** How often an executor gives a sign of life, and how long it may give none, milliseconds. */
export function livenessOf({
  mode,
  executorBeatMs,
  executorLeaseMs,
}: Pick<ExecutorConfig, 'mode' | 'executorBeatMs' | 'executorLeaseMs'>): { beatMs: number; leaseMs: number } {
  const { beatMs, leaseMs } = liveness[mode]
  return { beatMs: executorBeatMs ?? beatMs, leaseMs: executorLeaseMs ?? leaseMs }
}

const claimAhead = { standalone: 3000, distributed: 1000 }

/** Executions of each kind that are claimed beyond its slots. */
export function claimAheadOf({
  mode,
  executorClaimAhead,
}: Pick<ExecutorConfig, 'mode' | 'executorClaimAhead'>): number {
  return executorClaimAhead ?? claimAhead[mode]
}

/** What must hold between settings of the executor, and of its process. */
export function executorRules(
  config: ExecutorConfig & { readonly threads: number },
  context: z.core.$RefinementCtx,
): void {
  const { executorLookups, executorOwnerLookups, threads } = config
  const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
  if (2 * executorLookups > threads) {
    const resolver = "the system's resolver gets no more threads"
    refuse('executorLookups', `must be at most half of ${configKey('threads')}: ${resolver}`)
  }
  if (executorOwnerLookups >= executorLookups) {
    refuse('executorOwnerLookups', `must be below ${configKey('executorLookups')}: others must find a free one`)
  }
  const { beatMs, leaseMs } = livenessOf(config)
  if (3 * beatMs > leaseMs) {
    refuse(
      'executorBeatMs',
      `is ${beatMs}, and must be at most a third of ${configKey('executorLeaseMs')}, which is ${leaseMs}`,
    )
  }
}
