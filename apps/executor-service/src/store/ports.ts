import type { PoisonStore } from '@belfry/bus'
import type { CursorStore } from '@belfry/storage'
import type { AdmissionStore } from './ports/admissions.ts'
import type { ExecutionStore } from './ports/executions.ts'
import type { ExecutorStore } from './ports/executors.ts'
import type { ArtifactStore, LogStore } from './ports/output.ts'

export type { PageBounds, RowId } from '@belfry/storage'
export * from './ports/admissions.ts'
export * from './ports/due.ts'
export * from './ports/executions.ts'
export * from './ports/executors.ts'
export * from './ports/output.ts'
export * from './ports/pages.ts'

/**
 * What the executor stores. Any database fits that changes one record at a time by compare-and-set and lists records by an
 * index: no verb needs a transaction over two records, and row ids are the store's own.
 */
export interface Stores {
  readonly executions: ExecutionStore
  readonly admissions: AdmissionStore
  readonly executors: ExecutorStore
  readonly logs: LogStore
  readonly artifacts: ArtifactStore
  readonly cursors: CursorStore
  /** Messages that cannot be read. */
  readonly poison: PoisonStore
  /** Closes what `openStores` has opened. */
  close(): Promise<void>
}
