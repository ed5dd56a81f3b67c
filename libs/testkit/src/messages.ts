import {
  type ExecutionPolicy,
  type JobChangesMessage,
  type JobExecuteMessage,
  type JobSpec,
  type JobStatusMessage,
  scheduledExecutionId,
} from '@belfry/contracts'

const sampleJobId = 'job-01900000-0000-7000-8000-000000000001'
const sampleOwnerId = 'usr-1'

/** 2026-01-01T00:00:00Z: the planned moment of a sample unless a test names another one. */
export const sampleTime = Date.UTC(2026, 0, 1)

/** The defaults of a policy but for jitter, which a test with fixed times cannot use. */
export function samplePolicy(change: Partial<ExecutionPolicy> = {}): ExecutionPolicy {
  return {
    retry: { maxRetries: 3, backoff: 'exponential', delayMs: 5000, factor: 2, maxDelayMs: 300_000, jitter: false },
    overlap: { policy: 'allow', limit: 1 },
    timeoutMs: 3_600_000,
    onLostLease: 'rerun',
    ...change,
  }
}

/** A job that runs only when it is triggered. */
export function sampleSpec(change: Partial<JobSpec> = {}): JobSpec {
  return {
    name: 'nightly',
    jobType: 'DUMMY',
    params: {},
    schedule: { kind: 'manual' },
    policy: samplePolicy(),
    isOverlapSet: false,
    priority: 5,
    tags: [],
    ...change,
  }
}

/** `job-changes`: the state of a job that was created and not changed since. */
export function sampleJobChanges(change: Partial<JobChangesMessage> = {}): JobChangesMessage {
  const spec = change.spec ?? sampleSpec()
  return {
    jobId: sampleJobId,
    ownerId: sampleOwnerId,
    version: 1,
    state: 'active',
    spec,
    changes: [{ version: 1, changedAt: sampleTime, kind: 'create', schedule: spec.schedule }],
    ...change,
  }
}

/** `job-execute`: the command for one fire time of a schedule. */
export function sampleJobExecute(change: Partial<JobExecuteMessage> = {}): JobExecuteMessage {
  const { jobId = sampleJobId, fireAt = sampleTime } = change
  return {
    jobId,
    jobType: 'DUMMY',
    executionId: scheduledExecutionId(jobId, fireAt),
    version: 1,
    cause: 'schedule',
    fireAt,
    params: {},
    policy: samplePolicy(),
    priority: 5,
    expiresAt: null,
    ownerId: sampleOwnerId,
    plannedAt: fireAt,
    ...change,
  }
}

/** `job-status`: an execution that has been accepted and waits for its moment. */
export function sampleJobStatus(change: Partial<JobStatusMessage> = {}): JobStatusMessage {
  const { jobId = sampleJobId, fireAt = sampleTime } = change
  return {
    executionId: scheduledExecutionId(jobId, fireAt),
    jobId,
    ownerId: sampleOwnerId,
    jobType: 'DUMMY',
    version: 1,
    cause: 'schedule',
    seq: 1,
    state: 'ready',
    fireAt,
    runAt: fireAt,
    epoch: 0,
    attempts: [],
    failures: 0,
    losses: 0,
    cancelRequested: false,
    blockedBy: null,
    retryOf: null,
    result: null,
    error: null,
    artifacts: [],
    timeline: {
      plannedAt: fireAt,
      sentAt: null,
      admittedAt: null,
      startedAt: null,
      endedAt: null,
      topic: null,
      partition: null,
      offset: null,
    },
    ...change,
  }
}
