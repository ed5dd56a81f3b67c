import { type ExecutionStatus, executionStatuses, type JobState, jobStates } from '@belfry/contracts'
import type { RowId } from '@belfry/storage'
import type { SqlRow } from '@belfry/storage/sqlite'
import { fencedChanges, type Job, type ListedSpec, newestVersion } from '../../domain/job.ts'
import type { KnownExecutions } from '../../domain/status.ts'
import { parseJobBody, readJobBody } from '../job-body.ts'
import type {
  AgedJob,
  DueFence,
  DueJobSummary,
  DuePauseEnd,
  JobSummary,
  ListedJob,
  ListPosition,
  StoredJob,
  UnpublishedJob,
} from '../ports.ts'

/**
 * The columns that `readJob` reads, with the tables under the names j (jobs), o (owners). `params` may be an expression
 * that is null: then the job is read without them.
 */
const jobColumnsWith = (params: string) => `j.n, j.id, o.id, j.key, j.version, j.state, j.createdAt, j.changedAt,
  j.fencedVersion, j.pauseUntil, j.name, j.jobType, j.body, ${params}`
export const jobColumns = jobColumnsWith('j.params')
type JobRow = [
  n: RowId,
  id: string,
  ownerId: string,
  key: string | null,
  version: number,
  state: number,
  createdAt: number,
  changedAt: number,
  fencedVersion: number,
  pauseUntil: number | null,
  name: string,
  jobType: string,
  body: string,
  params: string | null,
]

const stateAt = (index: number): JobState => jobStates[index] as JobState
const statusAt = (index: number): ExecutionStatus => executionStatuses[index] as ExecutionStatus

interface ListedRecord extends Omit<Job, 'spec'> {
  readonly rowId: RowId
  readonly fencedVersion: number
  readonly spec: ListedSpec
}
type JobRecord = ListedRecord & Job

function readListed(columns: SqlRow): ListedRecord {
  const [rowId, id, ownerId, key, version, state, createdAt, changedAt, fencedVersion, pauseUntil, ...texts] =
    columns as unknown as JobRow
  const [name, jobType, body, params] = texts
  const read = readJobBody({ state: stateAt(state), name, jobType, body, params })
  return {
    ...{ rowId, id, ownerId, key, version, state: stateAt(state) },
    ...read,
    pauseUntil,
    createdAt,
    changedAt,
    fencedVersion,
  }
}

/** Of columns with their params. */
export function readJob(columns: SqlRow): JobRecord {
  return readListed(columns) as JobRecord
}

/** The columns that `readKnown` reads, with the tables under the names s (summaries), r (running), w (retrying). */
const knownColumns = 's.executionId, s.fireAt, s.status, s.endedAt, r.id, r.fireAt, w.id, w.fireAt'
type KnownRow = [
  lastId: string | null,
  lastFireAt: number,
  lastStatus: number,
  lastEndedAt: number | null,
  runningId: string | null,
  runningFireAt: number,
  retryingId: string | null,
  retryingFireAt: number,
]

/**
 * The newest execution of a job that is running (1) or waits for a retry (2). The index is named, since SQLite would walk
 * through all of the job's executions from the newest on.
 */
const newestOf = (status: 1 | 2) => `(SELECT n FROM executions INDEXED BY executionsAtWork
  WHERE jobNo = j.n AND status = ${status} ORDER BY fireAt DESC LIMIT 1)`

/** The tables behind `knownColumns` and x (outbox), beside j. */
export const knownTables = `LEFT JOIN outbox x ON x.n = j.n LEFT JOIN summaries s ON s.jobNo = j.n
  LEFT JOIN executions r ON r.n = ${newestOf(1)} LEFT JOIN executions w ON w.n = ${newestOf(2)}`

function readKnown(columns: SqlRow): KnownExecutions {
  const [lastId, lastFireAt, lastStatus, lastEndedAt, runningId, runningFireAt, retryingId, retryingFireAt] =
    columns as unknown as KnownRow
  const known = (id: string | null, fireAt: number, status: ExecutionStatus, endedAt: number | null = null) =>
    id === null ? null : { id, fireAt, status, endedAt }
  return {
    last: known(lastId, lastFireAt, statusAt(lastStatus), lastEndedAt),
    running: known(runningId, runningFireAt, 'RUNNING'),
    retrying: known(retryingId, retryingFireAt, 'RETRYING'),
  }
}

/** Executions after the last ended one that are looked at for the next fire time: few, unless a flood waits for slots. */
const waitingRows = 100

/**
 * The earliest fire time of the schedule whose execution has not started. The id of such an execution ends like the job's,
 * the id of a trigger does not.
 */
const waitingAt = `(SELECT min(fireAt) FROM (SELECT fireAt, status, id FROM executions
  WHERE jobNo = j.n AND fireAt > coalesce(s.fireAt, -1) ORDER BY fireAt LIMIT ${waitingRows})
  WHERE status = 0 AND substr(id, -36) = substr(j.id, -36))`

const storedColumnsWith = (params: string) =>
  `${jobColumnsWith(params)}, ${knownColumns}, x.n, s.scheduledAt, ${waitingAt}`
const jobWidth = 14
const knownWidth = 8

/** The columns that `readStoredJob` reads. */
export const storedColumns = storedColumnsWith('j.params')
/** The same with params only where the first parameter is 1: what is not shown is not read. */
export const listedColumns = storedColumnsWith('iif(?1, j.params, NULL)')

export function readListedJob(columns: SqlRow): ListedJob {
  const known = readKnown(columns.slice(jobWidth, jobWidth + knownWidth))
  const [unpublished, newestAt, waiting] = columns.slice(jobWidth + knownWidth) as (number | null)[]
  return {
    ...readListed(columns),
    isPublished: unpublished === null,
    known: { ...known, waitingAt: waiting ?? null, newestAt: newestAt ?? null },
  }
}

/** Of columns with their params. */
export function readStoredJob(columns: SqlRow): StoredJob {
  return readListedJob(columns) as StoredJob
}

/**
 * The last but one is what reading the row costs, bytes: with its params where the first parameter is 1. The last one: its tags, where
 * the second parameter is 1.
 */
export const summaryColumns = `${knownColumns}, j.n, j.name, j.key, j.jobType, j.state, x.n, j.runAt, j.createdAt,
  octet_length(j.body) + iif(?1, octet_length(j.params), 0), iif(?2, json_extract(j.body, '$.tags'), NULL)`
type SummaryColumns = [
  n: RowId,
  name: string,
  key: string | null,
  jobType: string,
  state: number,
  unpublished: number | null,
  runAt: number | null,
  createdAt: number,
  bytes: number,
  tags: string | null,
]
const summaryWidth = 10

export function readSummary(columns: SqlRow): JobSummary {
  const [rowId, name, key, jobType, state, unpublished, runAt, createdAt, bytes, tagsText] = columns.slice(
    knownWidth,
  ) as unknown as SummaryColumns
  const tags = tagsText === null ? [] : (JSON.parse(tagsText) as string[])
  const statusInput = { state: stateAt(state), isPublished: unpublished === null, runAt, ...readKnown(columns) }
  const position = [rowId] as readonly RowId[] as unknown as ListPosition
  return { rowId, position, bytes, name, key, jobType, createdAt, tags, statusInput }
}

/** What `readDueSummary` reads behind the columns of a summary. */
export const dueSummaryColumns = `${summaryColumns}, j.version, j.dueFrom`

export function readDueSummary(columns: SqlRow): DueJobSummary {
  const summary = readSummary(columns)
  const [version, dueFrom] = columns.slice(knownWidth + summaryWidth) as [number, number]
  const position = [dueFrom, summary.rowId] as readonly unknown[] as ListPosition
  return { ...summary, position, version, dueFrom }
}

export function readAge(columns: SqlRow): AgedJob {
  type Row = [RowId, number, number, number | null, number, number | null, number | null]
  const [rowId, version, state, runAt, changedAt, fireAt, endedAt] = columns as unknown as Row
  const newest = fireAt === null ? null : { fireAt, endedAt }
  return { rowId, version, state: stateAt(state), runAt, changedAt, newest }
}

export function readUnpublished(columns: SqlRow): UnpublishedJob {
  const job = readJob(columns)
  return { rowId: job.rowId, ...newestVersion(job) }
}

export const fenceColumns = 'n, fenceAt, id, version, fenceTries, body'

export function readFence(columns: SqlRow): DueFence {
  const [rowId, nextAt, jobId, version, tries, body] = columns as [RowId, number, string, number, number, string]
  return { rowId, jobId, version, nextAt, tries, changes: fencedChanges(parseJobBody(body)) }
}

export const pauseEndColumns = 'j.n, j.pauseUntil, j.id, o.id'

export function readPauseEnd(columns: SqlRow): DuePauseEnd {
  const [, , jobId, ownerId] = columns as [RowId, number, string, string]
  return { jobId, ownerId }
}
