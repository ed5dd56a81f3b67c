import {
  type ExecutionChangesPage,
  executionChangesPage,
  type JobStatusMessage,
  jobStatusMessage,
} from '@belfry/contracts'
import { createReconcile, type RestClient } from '@belfry/discovery'
import type { ServiceDeps } from '@belfry/service'
import type { CursorStore } from '@belfry/storage'
import type { JobConfig } from '../config.ts'
import type { ExecutionStore } from '../store/ports.ts'

export interface ReconcileExecutionsOptions {
  readonly deps: ServiceDeps & { readonly config: JobConfig; readonly rest: RestClient }
  readonly executions: ExecutionStore
  readonly cursors: CursorStore
  /** What changed last before this moment (epoch milliseconds) has been purged here, and is not copied again. */
  readonly purgedBefore: () => number
  /** The bus may lose messages, so that changes are listed at once and not only when they have settled. */
  readonly mayLose: boolean
}

const cursorName = 'executions'

/** One round of comparing the copies with the executors' executions; one without a copy gets one (protocol.md, step 14). */
export function createReconcileExecutions(options: ReconcileExecutionsOptions) {
  const { deps, executions, cursors, purgedBefore, mayLose } = options
  const { config } = deps
  return createReconcile<ExecutionChangesPage['data'][number], JobStatusMessage>({
    ...deps,
    name: 'executions',
    service: 'executor-service',
    path: '/internal/executions',
    page: executionChangesPage,
    record: jobStatusMessage,
    idName: 'executionId',
    async behind(rows) {
      const own = await executions.readSeqs(rows.map(({ id }) => id))
      const oldest = purgedBefore()
      const isBehind = (row: (typeof rows)[number], seq: number | undefined) =>
        seq === undefined ? row.changedAt >= oldest : seq < row.seq
      return rows.filter((row, index) => isBehind(row, own[index])).map(({ id }) => id)
    },
    async take(messages) {
      await executions.applyStatuses(messages)
      return []
    },
    cursor: { read: () => cursors.read(cursorName), write: (at) => cursors.write(cursorName, at) },
    mayLose,
    rows: config.jobReconcileRows,
    skippedLimit: config.jobReconcileSkipped,
    settleMs: config.jobReconcileSettleMs,
    deadlineMs: config.jobReconcileTimeoutMs,
    everyMs: config.jobReconcileMs,
  })
}
