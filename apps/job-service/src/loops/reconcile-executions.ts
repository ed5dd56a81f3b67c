import { createReconciler, type Reconciler } from '@belfry/bus'
import type { JobStatusMessage } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import type { ServiceDeps } from '@belfry/service'
import { type ChangedExecution, createExecutionRecords } from '../clients/execution-records.ts'
import type { JobConfig } from '../config.ts'
import type { Stores } from '../store/ports.ts'
import { recordEvents } from '../use-cases/record-events.ts'

export interface ReconcileExecutionsOptions {
  readonly deps: ServiceDeps & { readonly config: JobConfig; readonly rest: RestClient }
  readonly stores: Pick<Stores, 'executions' | 'events' | 'cursors'>
  /** What ended before this moment (epoch milliseconds) has been purged here, and is not copied again. */
  readonly purgedBefore: () => number
  /** The bus may lose messages, so that changes are listed at once and not only after a while. */
  readonly mayLose: boolean
}

/** The change number of the executors up to which every execution was compared. */
const cursorName = 'changes of executions'

/** Compares the copies with the executors' executions; one without a copy gets one (docs/protocol.md step 14). */
export function createReconcileExecutions(options: ReconcileExecutionsOptions): Reconciler {
  const { deps, purgedBefore, mayLose } = options
  const { executions, cursors } = options.stores
  const { config } = deps
  const records = createExecutionRecords(deps.rest, { timeoutMs: config.jobReconcileTimeoutMs })
  /** Those whose copy was not purged. */
  async function withoutPurged(messages: readonly JobStatusMessage[]): Promise<readonly JobStatusMessage[]> {
    const before = purgedBefore()
    const isOld = ({ timeline: { endedAt } }: JobStatusMessage) => endedAt !== null && endedAt < before
    const old = messages.filter(isOld).map(({ executionId }) => executionId)
    if (old.length === 0) return messages
    const seqs = await executions.readSeqs(old)
    const purged = new Set(old.filter((_, index) => seqs[index] === undefined))
    return messages.filter(({ executionId }) => !purged.has(executionId))
  }

  return createReconciler<ChangedExecution, JobStatusMessage>({
    ...deps,
    ...records,
    name: 'executions',
    async compare(rows) {
      const seqs = await executions.readSeqs(rows.map(({ id }) => id))
      return rows.filter(({ seq }, index) => (seqs[index] ?? -1) < seq).map(({ id }) => id)
    },
    async *fetch(ids) {
      for await (const { records: messages, failed } of records.fetch(ids))
        yield { records: await withoutPurged(messages), failed }
    },
    async apply(messages) {
      await recordEvents({ stores: options.stores, clock: deps.clock }, messages)
      await executions.applyStatuses(messages)
      return []
    },
    cursor: { read: () => cursors.read(cursorName), write: (no) => cursors.write(cursorName, no) },
    mayLose,
    rows: config.jobReconcileRows,
    skippedLimit: config.jobReconcileSkipped,
    settleMs: config.jobReconcileSettleMs,
    everyMs: config.jobReconcileMs,
  })
}
