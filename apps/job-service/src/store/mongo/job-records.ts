import { shardOf } from '@belfry/storage'
import { dueFromOf, fencedChanges, isLive, type Job, type ListedSpec, newestVersion } from '../../domain/job.ts'
import type { KnownExecutions } from '../../domain/status.ts'
import { jobBodyText, parseJobBody, readJobBody } from '../job-body.ts'
import type {
  AgedJob,
  DueFence,
  DueJobSummary,
  DuePauseEnd,
  JobSummary,
  JobsQuery,
  ListedJob,
  ListPosition,
  LongField,
  StoredJob,
  UnpublishedJob,
} from '../ports.ts'
import type { JobRecord, SummaryRecord } from './collections.ts'
import type { Known } from './known.ts'
import { positionOf, rowIdOf } from './positions.ts'

/** `dueFrom` of a job without a run to come: later than every time that the API takes. */
export const never = 8.64e15

const runAtOf = ({ spec }: Pick<Job, 'spec'>): number | null =>
  spec.schedule.kind === 'once' ? spec.schedule.runAt : null

/** What every version of a job sets in its record. */
function versionFields(job: Job, changeNo: number) {
  const { version, state, changedAt, viewers } = job
  const { name, jobType, params } = job.spec
  const body = jobBodyText(job)
  const paramsText = JSON.stringify(params)
  const paramsBytes = Buffer.byteLength(paramsText)
  const texts = { body, params: paramsText, bytes: Buffer.byteLength(body) + paramsBytes, paramsBytes }
  const dueFrom = dueFromOf(job) ?? never
  const about = {
    version,
    state,
    name,
    jobType,
    runAt: runAtOf(job),
    changedAt,
    changeNo,
    unpublishedAt: changedAt,
    dueFrom,
  }
  return { ...about, ...texts, ...(viewers.length > 0 && { viewerIds: viewers.map(({ id }) => id) }) }
}

/** The record of a new job. It counts as confirmed, since a creation closes nothing. */
export function newJobRecord(job: Job, changeNo: number): JobRecord {
  const { id, ownerId, key, version, createdAt } = job
  return {
    _id: id,
    ownerId,
    key,
    createdAt,
    ...(isLive(job) && { liveOf: ownerId }),
    fencedVersion: version,
    fenceTries: 0,
    shard: shardOf(id),
    ...versionFields(job, changeNo),
    ...(job.pauseUntil !== null && { pauseUntil: job.pauseUntil }),
  }
}

/** What a change of a job sets in its record and removes from it. */
export function changeUpdate(job: Job, changeNo: number, fenceAt: number) {
  const { pauseUntil, viewers } = job
  const set = { ...versionFields(job, changeNo), fenceAt, fenceTries: 0, ...(pauseUntil !== null && { pauseUntil }) }
  const gone = {
    ...(!isLive(job) && { liveOf: 1 as const }),
    ...(pauseUntil === null && { pauseUntil: 1 as const }),
    ...(viewers.length === 0 && { viewerIds: 1 as const }),
  }
  return { $set: set, ...(Object.keys(gone).length > 0 && { $unset: gone }) }
}

/** The fields that `readListedJob` reads. */
export function jobFields(fields: readonly LongField[]): (keyof JobRecord)[] {
  const about = ['_id', 'ownerId', 'key', 'version', 'state', 'createdAt', 'changedAt', 'name', 'jobType'] as const
  const params = fields.includes('params') ? (['params'] as const) : []
  return [...about, 'fencedVersion', 'pauseUntil', 'unpublishedAt', 'body', ...params]
}

function readListed(record: JobRecord): Omit<Job, 'spec'> & { readonly spec: ListedSpec } {
  const { _id: id, ownerId, key, version, state, createdAt, changedAt, pauseUntil = null } = record
  const read = readJobBody({ ...record, params: record.params ?? null })
  return { id, ownerId, key, version, state, ...read, pauseUntil, createdAt, changedAt }
}

/** Of a record with its params. */
export function readJob(record: JobRecord): Job {
  return readListed(record) as Job
}

export function readListedJob(record: JobRecord, known: Known): ListedJob {
  return {
    ...readListed(record),
    rowId: rowIdOf(record._id),
    fencedVersion: record.fencedVersion,
    isPublished: record.unpublishedAt === undefined,
    known,
  }
}

/** Of a record with its params. */
export function readStoredJob(record: JobRecord, known: Known): StoredJob {
  return readListedJob(record, known) as StoredJob
}

const summaryFields = [
  '_id',
  'createdAt',
  'name',
  'key',
  'jobType',
  'state',
  'unpublishedAt',
  'runAt',
  'bytes',
  'paramsBytes',
] as const satisfies (keyof JobRecord)[]

/** The fields that `readSummary` reads; tags stand in the text. */
export function summaryFieldsOf({ withTags }: JobsQuery): (keyof JobRecord)[] {
  return withTags ? [...summaryFields, 'body'] : [...summaryFields]
}

export function readSummary(record: JobRecord, known: KnownExecutions, { fields, withTags }: JobsQuery): JobSummary {
  const { _id, createdAt, name, key, jobType, state, unpublishedAt, runAt, bytes, paramsBytes } = record
  const { last, running, retrying } = known
  return {
    rowId: rowIdOf(_id),
    position: positionOf<ListPosition>(createdAt, _id),
    bytes: fields.includes('params') ? bytes : bytes - paramsBytes,
    name,
    key,
    jobType,
    createdAt,
    tags: withTags ? parseJobBody(record.body).tags : [],
    statusInput: { state, isPublished: unpublishedAt === undefined, runAt, last, running, retrying },
  }
}

export function readDueSummary(record: JobRecord, known: KnownExecutions, query: JobsQuery): DueJobSummary {
  const { _id, version, dueFrom = 0 } = record
  const position = positionOf<ListPosition>(dueFrom, _id)
  return { ...readSummary(record, known, query), position, version, dueFrom }
}

export function readUnpublished(record: JobRecord): UnpublishedJob {
  return { rowId: rowIdOf(record._id), ...newestVersion(readJob(record)) }
}

export const fenceFields = ['_id', 'fenceAt', 'version', 'fenceTries', 'body'] as const satisfies (keyof JobRecord)[]

export function readFence({ _id, fenceAt = 0, version, fenceTries, body }: JobRecord): DueFence {
  const changes = fencedChanges(parseJobBody(body))
  return { rowId: rowIdOf(_id), jobId: _id, version, nextAt: fenceAt, tries: fenceTries, changes }
}

export const ageFields = ['_id', 'version', 'state', 'runAt', 'changedAt'] as const satisfies (keyof JobRecord)[]

export function readAge(record: JobRecord, summary: SummaryRecord | undefined): AgedJob {
  const { _id, version, state, runAt, changedAt } = record
  const { last } = summary ?? {}
  const newest = last ? { fireAt: last.fireAt, endedAt: last.endedAt } : null
  return { rowId: rowIdOf(_id), version, state, runAt, changedAt, newest }
}

export const pauseEndFields = ['_id', 'ownerId', 'pauseUntil'] as const satisfies (keyof JobRecord)[]

export function readPauseEnd({ _id: jobId, ownerId }: JobRecord): DuePauseEnd {
  return { jobId, ownerId }
}
