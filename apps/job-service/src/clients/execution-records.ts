import {
  type ExecutionChangesPage,
  executionChangesPage,
  type JobStatusMessage,
  tolerant,
  topics,
} from '@belfry/contracts'
import { createRecordsClient, type RestClient } from '@belfry/discovery'

export type ChangedExecution = ExecutionChangesPage['data'][number]

const page = tolerant(executionChangesPage)

/** The executions of the executors in the order of their changes (contracts, `changesQuery`), and their whole states. */
export function createExecutionRecords(rest: RestClient, { timeoutMs }: { readonly timeoutMs: number }) {
  return createRecordsClient<ChangedExecution, JobStatusMessage>({
    rest,
    service: 'executor-service',
    path: '/internal/executions',
    page,
    record: topics['job-status'],
    idName: 'executionId',
    deadlineMs: timeoutMs,
  })
}
export type ExecutionRecords = ReturnType<typeof createExecutionRecords>
