import type { BatchHandler } from '@belfry/bus'
import type { JobStatusMessage } from '@belfry/contracts'
import { debugEach } from '@belfry/service'
import { statusOf } from '../domain/execution.ts'
import type { JobContext } from './context.ts'
import { recordEvents } from './record-events.ts'

const fieldsOf = (message: JobStatusMessage) => {
  const { jobId, executionId, seq } = message
  return { jobId, executionId, status: statusOf(message), seq }
}

/** Stores what the executors publish about executions. The same batch again changes nothing. */
export function applyStatuses(
  context: Pick<JobContext, 'stores' | 'waiters' | 'clock' | 'log'>,
): BatchHandler<'job-status'> {
  const { stores, waiters, log } = context
  return async (messages) => {
    const statuses = messages.map((message) => message.value)
    await recordEvents(context, statuses)
    await stores.executions.applyStatuses(statuses)
    for (const { jobId, executionId } of statuses) {
      waiters.nudge(jobId)
      waiters.nudge(executionId)
    }
    debugEach(log, 'status taken over', statuses, fieldsOf)
  }
}
