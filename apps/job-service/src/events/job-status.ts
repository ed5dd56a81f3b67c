import type { BatchHandler } from '@belfry/bus'
import type { ExecutionStore } from '../domain/ports.ts'

/** Takes over what the executors say about executions; resolves when it is stored. */
export function createStatusHandler(executions: ExecutionStore): BatchHandler<'job-status'> {
  return (messages) => executions.keep(messages.map((message) => message.value))
}
