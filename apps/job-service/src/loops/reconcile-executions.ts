import { createReconciler, type Reconciler } from '@belfry/bus'
import {
  type ExecutionChangesPage,
  executionChangesPage,
  type JobStatusMessage,
  jobStatusMessage,
} from '@belfry/contracts'
import { createRecordsClient, type RestClient } from '@belfry/discovery'
import type { ServiceDeps } from '@belfry/service'
import type { JobConfig } from '../config.ts'
import type { Stores } from '../store/ports.ts'

export interface ReconcileExecutionsOptions {
  readonly deps: ServiceDeps & { readonly config: JobConfig; readonly rest: RestClient }
  readonly stores: Pick<Stores, 'executions' | 'cursors'>
  /** What changed last before this moment (epoch milliseconds) has been purged here, and is not copied again. */
  readonly purgedBefore: () => number
  /** The bus may lose messages, so that changes are listed at once and not only after a while. */
  readonly mayLose: boolean
}

type ChangedExecution = ExecutionChangesPage['data'][number]

/** The time of change, on the executors' clock, up to which every execution was compared. */
const cursorName = 'executions'

/** Compares the copies with the executors' executions; one without a copy gets one (protocol.md, step 14). */
export function createReconcileExecutions(options: ReconcileExecutionsOptions): Reconciler {
  const { deps, purgedBefore, mayLose } = options
  const { executions, cursors } = options.stores
  const { config } = deps
  const records = createRecordsClient<ChangedExecution, JobStatusMessage>({
    rest: deps.rest,
    service: 'executor-service',
    path: '/internal/executions',
    page: executionChangesPage,
    record: jobStatusMessage,
    idName: 'executionId',
    deadlineMs: config.jobReconcileTimeoutMs,
  })
  return createReconciler<ChangedExecution, JobStatusMessage>({
    ...deps,
    ...records,
    name: 'executions',
    async compare(rows) {
      const seqs = await executions.readSeqs(rows.map(({ id }) => id))
      const oldest = purgedBefore()
      const isNewer = ({ seq, changedAt }: ChangedExecution, own: number | undefined) =>
        own === undefined ? changedAt >= oldest : own < seq
      return rows.filter((row, index) => isNewer(row, seqs[index])).map(({ id }) => id)
    },
    async apply(messages) {
      await executions.applyStatuses(messages)
      return []
    },
    cursor: { read: () => cursors.read(cursorName), write: (at) => cursors.write(cursorName, at) },
    mayLose,
    rows: config.jobReconcileRows,
    skippedLimit: config.jobReconcileSkipped,
    settleMs: config.jobReconcileSettleMs,
    everyMs: config.jobReconcileMs,
  })
}
