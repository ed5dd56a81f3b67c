import { createReconciler } from '@belfry/bus'
import { type JobChangesMessage, type JobVersionsPage, jobVersionsPage, tolerant, topics } from '@belfry/contracts'
import { createPeerTurns, createRecordsClient, type PeerShare } from '@belfry/discovery'
import { createLoop, type Loop } from '@belfry/service'
import type { ServiceShellDeps } from '@belfry/shell'
import type { SchedulerConfig } from '../config.ts'
import type { Stores } from '../store/ports.ts'
import type { IngestChanges } from '../use-cases/ingest-changes.ts'

const page = tolerant(jobVersionsPage)

/** The change number of job-service up to which every change was applied. */
const cursorName = 'changes of jobs'

/**
 * Compares the versions of the schedules with those of the jobs again and again (docs/protocol.md step 14). One of the schedulers
 * (`peers`) does that for all.
 */
export function createReconcileLoop(
  deps: ServiceShellDeps<Stores, SchedulerConfig>,
  peers: () => PeerShare,
  ingestChanges: IngestChanges,
): Loop {
  const { clock, log, registry, config, bus } = deps
  const { schedules, cursors } = deps.stores
  const jobs = createRecordsClient<JobVersionsPage['data'][number], JobChangesMessage>({
    rest: deps.rest,
    service: 'job-service',
    path: '/internal/jobs',
    page,
    record: topics['job-changes'],
    idName: 'jobId',
    deadlineMs: config.schedulerReconcileTimeoutMs,
  })
  const reconciler = createReconciler({
    ...deps,
    ...jobs,
    name: 'jobs',
    async compare(rows) {
      const versions = await schedules.readVersions(rows.map(({ id }) => id))
      return rows.filter(({ version }, index) => (versions[index] ?? 0) < version).map(({ id }) => id)
    },
    apply: ingestChanges,
    cursor: { read: () => cursors.read(cursorName), write: (no) => cursors.write(cursorName, no) },
    mayLose: !bus.capabilities.storesBeforePublishResolves,
    rows: config.schedulerReconcileRows,
    skippedLimit: config.schedulerReconcileSkipped,
    settleMs: config.schedulerReconcileSettleMs,
    everyMs: config.schedulerReconcileMs,
  })
  const takesTurn = createPeerTurns(peers)
  // Without an instance of job-service a round can only fail.
  const runOnce = () => (registry.instances('job-service').length > 0 && takesTurn() ? reconciler.runOnce() : undefined)
  return createLoop({ name: 'reconcile jobs', everyMs: config.schedulerReconcileMs, runOnce, clock, log })
}
