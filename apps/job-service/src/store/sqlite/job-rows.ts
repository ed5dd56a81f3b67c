import {
  type ExecutionStatus,
  executionStatuses,
  type JobChange,
  type JobSpec,
  type JobState,
  jobStates,
  messageSize,
  type Warning,
} from '@belfry/contracts'
import type { SqlRow } from '@belfry/storage'
import { fencedChanges, type Job, toJobChanges } from '../../domain/job.ts'
import type { DueFence, JobGlance, StoredJob, UntoldJob } from '../../domain/ports.ts'

/** What a job's row holds in `body`: everything that is no column. */
interface JobBody extends Omit<JobSpec, 'name' | 'jobType'> {
  changes: readonly JobChange[]
  warnings: readonly Warning[]
}

/** The columns that `readJob` reads, with the tables under the names j (jobs), o (owners), x (outbox), s (summaries). */
export const jobColumns = `j.n, j.id, o.id, j.key, j.version, j.state, j.createdAt, j.changedAt, j.fencedVersion, j.name,
  j.jobType, j.body, x.n, s.executionId, s.fireAt, s.status, s.endedAt`
type JobRow = [
  n: number,
  id: string,
  ownerId: string,
  key: string | null,
  version: number,
  state: number,
  createdAt: number,
  changedAt: number,
  fencedVersion: number,
  name: string,
  jobType: string,
  body: string,
  untold: number | null,
  newestId: string | null,
  newestFireAt: number,
  newestStatus: number,
  newestEndedAt: number | null,
]

const stateAt = (place: number): JobState => jobStates[place] as JobState
const statusAt = (place: number): ExecutionStatus => executionStatuses[place] as ExecutionStatus

export function readJob(columns: SqlRow): StoredJob {
  const [
    handle,
    id,
    ownerId,
    key,
    version,
    state,
    createdAt,
    changedAt,
    fencedVersion,
    name,
    jobType,
    body,
    untold,
    ...newest
  ] = columns as unknown as JobRow
  const [newestId, fireAt, status, endedAt] = newest
  const { changes, warnings, ...rest } = JSON.parse(body) as JobBody
  return {
    handle,
    id,
    ownerId,
    key,
    version,
    state: stateAt(state),
    spec: { name, jobType, ...rest },
    changes,
    warnings,
    createdAt,
    changedAt,
    fencedVersion,
    told: untold === null,
    newest: newestId === null ? null : { id: newestId, fireAt, status: statusAt(status), endedAt },
  }
}

/** What `insert` takes, in its order; a new job counts as confirmed, since a creation closes nothing. */
export function jobParams(job: Job): SqlRow {
  const { id, ownerId, key, version, createdAt, changedAt, spec } = job
  const state = jobStates.indexOf(job.state)
  const tail = [version, spec.name, spec.jobType, bodyText(job)]
  return [id, ownerId, key, version, state, runAtOf(job), createdAt, changedAt, ...tail]
}

/** What `change` sets, in its order. */
export function changeParams(job: Job): SqlRow {
  const { version, changedAt, spec } = job
  return [version, jobStates.indexOf(job.state), runAtOf(job), changedAt, spec.name, spec.jobType, bodyText(job)]
}

function bodyText({ spec, changes, warnings }: Job): string {
  const { name: _name, jobType: _jobType, ...rest } = spec
  return JSON.stringify({ ...rest, changes, warnings } satisfies JobBody)
}

function runAtOf({ spec }: Job): number | null {
  return spec.schedule.kind === 'once' ? spec.schedule.runAt : null
}

export const glanceColumns = 'j.n, j.name, j.key, j.jobType, j.state, x.n, j.runAt, s.fireAt, s.status'
type GlanceRow = [
  n: number,
  name: string,
  key: string | null,
  jobType: string,
  state: number,
  untold: number | null,
  runAt: number | null,
  newestFireAt: number | null,
  newestStatus: number,
]

export function readGlance(columns: SqlRow): JobGlance {
  const [handle, name, key, jobType, state, untold, runAt, fireAt, status] = columns as unknown as GlanceRow
  const newest = fireAt === null ? null : { fireAt, status: statusAt(status) }
  const standing = { state: stateAt(state), told: untold === null, runAt, newest }
  return { handle, place: [handle], name, key, jobType, standing }
}

export function readUntold(columns: SqlRow): UntoldJob {
  const job = readJob(columns)
  const value = toJobChanges(job)
  return { n: job.handle, seq: job.version, key: job.id, size: messageSize('job-changes', value), value }
}

export const fenceColumns = 'n, id, version, fenceTries, body'

export function readFence(columns: SqlRow): DueFence {
  const [handle, jobId, version, tries, body] = columns as [number, string, number, number, string]
  return { handle, jobId, version, tries, changes: fencedChanges(JSON.parse(body) as JobBody) }
}
