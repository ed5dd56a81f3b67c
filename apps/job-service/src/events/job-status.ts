import type { BatchHandler } from '@belfry/bus'
import type { JobStatusMessage } from '@belfry/contracts'
import { debugEach, type Logger } from '@belfry/service'
import { statusOf } from '../domain/execution.ts'
import type { ExecutionStore } from '../domain/ports.ts'

const fieldsOf = (message: JobStatusMessage) => {
  const { jobId, executionId, seq } = message
  return { jobId, executionId, status: statusOf(message), seq }
}

/** Takes over what the executors say about executions; resolves when it is stored. */
export function createStatusHandler(executions: ExecutionStore, log: Logger): BatchHandler<'job-status'> {
  return async (messages) => {
    const statuses = messages.map((message) => message.value)
    await executions.keep(statuses)
    debugEach(log, 'status taken over', statuses, fieldsOf)
  }
}
