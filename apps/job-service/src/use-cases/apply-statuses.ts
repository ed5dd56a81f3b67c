import type { BatchHandler } from '@belfry/bus'
import type { JobStatusMessage } from '@belfry/contracts'
import { debugEach } from '@belfry/service'
import { statusOf } from '../domain/execution.ts'
import type { JobContext } from './context.ts'

const fieldsOf = (message: JobStatusMessage) => {
  const { jobId, executionId, seq } = message
  return { jobId, executionId, status: statusOf(message), seq }
}

/** Stores what the executors publish about executions. The same batch again changes nothing. */
export function applyStatuses({ stores, log }: Pick<JobContext, 'stores' | 'log'>): BatchHandler<'job-status'> {
  return async (messages) => {
    const statuses = messages.map((message) => message.value)
    await stores.executions.applyStatuses(statuses)
    debugEach(log, 'status taken over', statuses, fieldsOf)
  }
}
