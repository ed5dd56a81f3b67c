import { type JobChangesMessage, type JobVersionsPage, jobChangesMessage, jobVersionsPage } from '@belfry/contracts'
import { createReconcile, type RestClient } from '@belfry/discovery'
import type { ServiceDeps } from '@belfry/service'
import type { SchedulerConfig } from '../config.ts'
import type { Hearing } from '../domain/hearing.ts'
import type { CursorStore, ScheduleStore } from '../domain/ports.ts'

export interface ReconcileOptions {
  readonly deps: ServiceDeps & { readonly config: SchedulerConfig; readonly rest: RestClient }
  readonly schedules: ScheduleStore
  readonly cursors: CursorStore
  readonly hearing: Hearing
  /** The bus may lose messages, so that changes are listed at once and not only when they have settled. */
  readonly mayLose: boolean
}

/** The time of change, on job-service's clock, up to which everything was taken over. */
const cursorName = 'job-service'

/** One round of comparing the versions of the schedules with those of the jobs (protocol.md, step 14). */
export function createJobReconcile({ deps, schedules, cursors, hearing, mayLose }: ReconcileOptions) {
  const { config } = deps
  return createReconcile<JobVersionsPage['data'][number], JobChangesMessage>({
    ...deps,
    name: 'jobs',
    service: 'job-service',
    path: '/internal/jobs',
    page: jobVersionsPage,
    record: jobChangesMessage,
    idName: 'jobId',
    async behind(rows) {
      const own = await schedules.versions(rows.map(({ id }) => id))
      return rows.filter(({ version }, index) => (own[index] ?? 0) < version).map(({ id }) => id)
    },
    take: hearing.takeChanges,
    cursor: { read: () => cursors.read(cursorName), write: (at) => cursors.write(cursorName, at) },
    mayLose,
    rows: config.schedulerReconcileRows,
    skippedLimit: config.schedulerReconcileSkipped,
    settleMs: config.schedulerReconcileSettleMs,
    deadlineMs: config.schedulerReconcileTimeoutMs,
    everyMs: config.schedulerReconcileMs,
  })
}
