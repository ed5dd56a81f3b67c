import { type JobChangesMessage, type JobVersionsPage, jobChangesMessage, jobVersionsPage } from '@belfry/contracts'
import { createReconcile, type Registry, type RestClient } from '@belfry/discovery'
import { createLoop, type Part, type ServiceDeps } from '@belfry/service'
import type { CursorStore } from '@belfry/storage'
import type { SchedulerConfig } from '../config.ts'
import type { ScheduleStore } from '../store/ports.ts'
import type { IngestChanges } from '../use-cases/ingest-changes.ts'

export interface ReconcileLoopOptions {
  readonly deps: ServiceDeps & {
    readonly config: SchedulerConfig
    readonly rest: RestClient
    readonly registry: Registry
  }
  readonly schedules: ScheduleStore
  readonly cursors: CursorStore
  readonly ingestChanges: IngestChanges
  /** The bus may lose messages, so that changes are listed at once and not only when they have settled. */
  readonly mayLose: boolean
}

/** The time of change, on job-service's clock, up to which every change was applied. */
const cursorName = 'job-service'

/**
 * Compares the versions of the schedules with those of the jobs (protocol.md, step 14), as soon as there is an instance of
 * job-service and then again and again.
 */
export function createReconcileLoop(options: ReconcileLoopOptions): Part {
  const { deps, schedules, cursors, ingestChanges, mayLose } = options
  const { clock, log, registry, config } = deps
  const reconcile = createReconcile<JobVersionsPage['data'][number], JobChangesMessage>({
    ...deps,
    name: 'jobs',
    service: 'job-service',
    path: '/internal/jobs',
    page: jobVersionsPage,
    record: jobChangesMessage,
    idName: 'jobId',
    async behind(rows) {
      const versions = await schedules.readVersions(rows.map(({ id }) => id))
      return rows.filter(({ version }, index) => (versions[index] ?? 0) < version).map(({ id }) => id)
    },
    take: ingestChanges,
    cursor: { read: () => cursors.read(cursorName), write: (at) => cursors.write(cursorName, at) },
    mayLose,
    rows: config.schedulerReconcileRows,
    skippedLimit: config.schedulerReconcileSkipped,
    settleMs: config.schedulerReconcileSettleMs,
    deadlineMs: config.schedulerReconcileTimeoutMs,
    everyMs: config.schedulerReconcileMs,
  })
  const runOnce = () => (registry.instances('job-service').length > 0 ? reconcile() : undefined)
  const loop = createLoop({ name: 'reconcile jobs', everyMs: config.schedulerReconcileMs, runOnce, clock, log })
  let unwatch: (() => void) | undefined
  return {
    name: 'reconcile',
    start() {
      unwatch = registry.watch('job-service', loop.nudge)
      loop.start()
    },
    async stop() {
      unwatch?.()
      await loop.stop()
    },
  }
}
