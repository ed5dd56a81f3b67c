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

type StatusContext = Pick<JobContext, 'stores' | 'waiters' | 'clock'>

/** Stores states of executions with the events in them, and wakes the calls that wait for an end. The same states again change nothing. */
export async function storeStatuses(context: StatusContext, statuses: readonly JobStatusMessage[]): Promise<void> {
  const { stores, waiters } = context
  await recordEvents(context, statuses)
  await stores.executions.applyStatuses(statuses)
  for (const { jobId, executionId } of statuses) {
    waiters.nudge(jobId)
    waiters.nudge(executionId)
  }
}

/** Stores what the executors publish about executions. The same batch again changes nothing. */
export function applyStatuses(context: StatusContext & Pick<JobContext, 'log'>): BatchHandler<'job-status'> {
  return async (messages) => {
    const statuses = messages.map((message) => message.value)
    await storeStatuses(context, statuses)
    debugEach(context.log, 'status taken over', statuses, fieldsOf)
  }
}
