import type { JobStatusMessage } from '@belfry/contracts'
import type { OutgoingMessage } from '../src/index.ts'

/** A status message of job `key`, as the executor sends it. */
export function statusOf(key: string, seq: number): JobStatusMessage {
  return {
    executionId: `exe-${key}`,
    jobId: key,
    ownerId: 'usr-1',
    jobType: 'DUMMY',
    version: 1,
    cause: 'manual',
    seq,
    state: 'running',
    fireAt: 1000,
    runAt: 1000,
    epoch: 1,
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
      plannedAt: 1000,
      sentAt: 1000,
      admittedAt: null,
      startedAt: null,
      endedAt: null,
      topic: null,
      partition: null,
      offset: null,
    },
  }
}

export function status(key: string, seq = 1): OutgoingMessage<'job-status'> {
  return { key, value: statusOf(key, seq) }
}
