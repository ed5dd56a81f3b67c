import { changeNumberMaxAgeMs, type JobState, jobIdPattern } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { OnUnreadable, RowId } from '@belfry/storage'
import { afterOthers, type MongoDatabase, where } from '@belfry/storage/mongo'
import { isLive, type Job, toJobChanges } from '../../domain/job.ts'
import type { JobScope } from '../../domain/reach.ts'
import type { CreatedJob, JobStore, ListPosition } from '../ports.ts'
import { createBatcher } from './batcher.ts'
import { createChangesReader } from './changes.ts'
import {
  executionsCollection,
  type JobRecord,
  jobsCollection,
  keysCollection,
  summariesCollection,
} from './collections.ts'
import { createDueReader, cutAt, inShare } from './due.ts'
import { createDueOrder } from './due-order.ts'
import {
  ageFields,
  changeUpdate,
  fenceFields,
  jobFields,
  newJobRecord,
  pauseEndFields,
  readAge,
  readFence,
  readJob,
  readListedJob,
  readPauseEnd,
  readStoredJob,
  readSummary,
  readUnpublished,
  summaryFieldsOf,
} from './job-records.ts'
import { createKeyHolders } from './keys.ts'
import { createKnownReader } from './known.ts'
import { beyond, isPositionOf, readPosition, rowIdOf, within } from './positions.ts'
import { createQuota } from './quota.ts'
import { readEach } from './unreadable.ts'
import { everything, readWindows, windowsDown } from './windows.ts'

/** How wide the first window of a list of jobs is, by the time of their creation, milliseconds. */
const listWindowMs = 60_000

/** Jobs that are stored, and change numbers that are taken, in one batch. */
const batchLimit = 200

/** A record that is a job, and not a void id. */
const isJob = { version: where<number>({ $gte: 1 }) }

/** A record of a void id has no owner and no creation: no scope holds it. */
function scopeFilter(scope: JobScope) {
  if (scope === 'all') return {}
  return 'ownerId' in scope ? { ownerId: scope.ownerId } : { viewerIds: scope.viewerId as never }
}

export interface JobStoreDeps {
  readonly db: MongoDatabase
  readonly clock: Clock
  readonly onUnreadable: OnUnreadable
}

/** `JobStore` on the collections `jobs`, `keys` and `summaries`. */
export function createJobStore({ db, clock, onUnreadable }: JobStoreDeps): JobStore {
  const jobs = db.collection(jobsCollection)
  const executions = db.collection(executionsCollection)
  const summaries = db.collection(summariesCollection)
  const keys = createKeyHolders(db.collection(keysCollection), jobs, clock)
  const known = createKnownReader(executions, summaries)
  const quota = createQuota(jobs, clock)
  const { listByDue, raiseDue } = createDueOrder({ jobs, known, clock })
  const readDueFences = createDueReader(jobs, 'jobs.due-fences', 'fenceAt', [...fenceFields, 'bytes'])
  const readPauseEnds = createDueReader(jobs, 'jobs.pause-ends', 'pauseUntil', [...pauseEndFields, 'bytes'])

  const nextChangeNo = createBatcher<null, number>(batchLimit, async (asked) => {
    const last = await db.nextNumbers('jobs', asked.length)
    return asked.map((_, index) => last - asked.length + 1 + index)
  })
  const insertJob = createBatcher<JobRecord, boolean>(batchLimit, (records) =>
    jobs.insertManyIfAbsent('jobs.create', records),
  )

  /** Runs a write with a new change number; a number that has become too old on the way is replaced (decision 029). */
  const withChangeNo = async <R>(id: string, version: number, write: (changeNo: number) => Promise<R>): Promise<R> => {
    const begin = performance.now()
    const changeNo = await nextChangeNo(null)
    const result = await write(changeNo)
    if (performance.now() - begin <= changeNumberMaxAgeMs) return result
    await renumber(id, version, changeNo).catch((error: unknown) => {
      throw afterOthers(error)
    })
    return result
  }
  const renumber = (id: string, version: number, changeNo: number): Promise<void> =>
    withChangeNo(id, version, async (newer) => {
      const change = { id, guard: { version, changeNo }, update: { $set: { changeNo: newer } } }
      await jobs.updateEach('jobs.renumber', [change])
    })

  /** Why a job was not stored; or that it was stored before. */
  const whyNot = async (job: Job, reason: 'key-taken' | 'too-many') => {
    const stored = await jobs.findOne('jobs.read', { _id: job.id, ...isJob }, { fields: ['_id'] })
    return stored ? { rowId: rowIdOf(stored._id), isNew: false } : reason
  }

  const isKeyTaken = async ({ ownerId, key }: Job): Promise<boolean> => {
    if (key === null) return false
    const [holder = ''] = await keys.find(ownerId, key)
    const found = await jobs.findOne('jobs.read', { _id: holder, ...isJob }, { fields: ['_id', 'state'] })
    return found !== undefined && isLive(found)
  }

  /** The owner's job by key: the one that has it, else the one that had it before. */
  const findByKey = async (ownerId: string, key: string): Promise<JobRecord | undefined> => {
    const ids = await keys.find(ownerId, key)
    if (ids.length === 0) return undefined
    const filter = { _id: where({ $in: ids }), ownerId, ...isJob }
    const found = await jobs.find('jobs.read', filter, { fields: jobFields(['params']), limit: ids.length })
    return ids.map((id) => found.find((one) => one._id === id)).find((one) => one !== undefined)
  }

  const readRows = async (step: string, ids: readonly string[], fields: readonly (keyof JobRecord)[]) => {
    if (ids.length === 0) return new Map<string, JobRecord>()
    const found = await jobs.find(step, { _id: where({ $in: ids }), ...isJob }, { fields, limit: ids.length })
    return new Map(found.map((one) => [one._id, one]))
  }

  /** Stores a job for which the quota has room. */
  const create = async (job: Job): Promise<CreatedJob> => {
    const { id, key } = job
    if (key !== null && (await keys.take({ ...job, key })) !== 'given') return whyNot(job, 'key-taken')
    const isNew = await withChangeNo(id, job.version, (changeNo) => insertJob(newJobRecord(job, changeNo)))
    return isNew ? { rowId: rowIdOf(id), isNew } : whyNot(job, 'key-taken')
  }

  const createMany = async (newJobs: readonly Job[], mostJobs: number): Promise<CreatedJob[]> => {
    // One after the other: a count holds for the jobs behind it.
    const allowed: boolean[] = []
    for (const { ownerId } of newJobs) allowed.push(await quota.take(ownerId, mostJobs))
    const refuse = async (job: Job) => whyNot(job, (await isKeyTaken(job)) ? 'key-taken' : 'too-many')
    return Promise.all(newJobs.map((job, index) => (allowed[index] ? create(job) : refuse(job))))
  }

  return {
    async create(job, mostJobs = Number.MAX_SAFE_INTEGER) {
      return (await createMany([job], mostJobs))[0] as CreatedJob
    },
    createMany: (newJobs, mostJobs = Number.MAX_SAFE_INTEGER) => createMany(newJobs, mostJobs),
    async compareAndSet(rowId, from, job, fenceAt) {
      return withChangeNo(job.id, job.version, async (changeNo) => {
        const update = changeUpdate(job, changeNo, fenceAt)
        const swap = { id: String(rowId), guard: { version: from }, update }
        const [isChanged] = await jobs.compareAndSetMany('jobs.change', [swap])
        return isChanged === true
      })
    },
    countLive: (ownerId, limit) => jobs.count('jobs.count', { liveOf: ownerId }, limit),
    async findById(id) {
      const record = await jobs.findOne('jobs.read', { _id: id, ...isJob }, { fields: jobFields(['params']) })
      return record && readStoredJob(record, (await known.readAll([id]))(id))
    },
    async find(ownerId, ref) {
      const isId = jobIdPattern.test(ref)
      const byId = () => jobs.findOne('jobs.read', { _id: ref, ownerId, ...isJob }, { fields: jobFields(['params']) })
      const record = isId ? await byId() : await findByKey(ownerId, ref)
      if (!record) return undefined
      const knownOf = await known.readAll([record._id])
      return readStoredJob(record, knownOf(record._id))
    },
    async readMany(rowIds, fields) {
      const ids = rowIds.map(String)
      const [rows, knownOf] = await Promise.all([readRows('jobs.read', ids, jobFields(fields)), known.readAll(ids)])
      return ids.map((id) => {
        const record = rows.get(id)
        return record && readListedJob(record, knownOf(id))
      })
    },
    async listSummaries(scope, query) {
      const { after, limit } = query
      const to = after ? readPosition(after)[0] : everything.to
      const windows = windowsDown(to, clock.now(), listWindowMs)
      const found = await readWindows(windows, limit, (window, most) => {
        const isShown = { state: where<JobState>({ $ne: 'deleted' }) }
        const filter = {
          ...scopeFilter(scope),
          ...isShown,
          createdAt: within(window),
          ...beyond('createdAt', after, 'down'),
        }
        return jobs.find('jobs.list', filter, {
          sort: { createdAt: -1, _id: -1 },
          limit: most,
          fields: summaryFieldsOf(query),
        })
      })
      const knownOf = await known.readExecutions(found.map(({ _id }) => _id))
      return found.map((record) => readSummary(record, knownOf(record._id), query))
    },
    listByDue,
    raiseDue,
    isDuePosition: (value): value is ListPosition => isPositionOf(value, jobIdPattern),
    isPosition: (value): value is ListPosition => isPositionOf(value, jobIdPattern),
    async listUnpublished({ rows, bytes }, share) {
      const filter = { unpublishedAt: where<number>({ $gte: 0 }), ...inShare('unpublishedAt', share) }
      const page = await jobs.findPage('jobs.unpublished', filter, { rows, bytes, fields: jobFields(['params']) })
      return { rows: readEach('jobs', page.rows, readUnpublished, onUnreadable), hasMore: page.hasMore }
    },
    async markPublished(rows) {
      const changes = rows.map(({ rowId, seq }) => ({
        id: String(rowId),
        guard: { version: where<number>({ $lte: seq }) },
        update: { $unset: { unpublishedAt: 1 } },
      }))
      if (changes.length > 0) await jobs.updateEach('jobs.mark-published', changes)
    },
    async listDueFences(until, limit, share, after) {
      const page = { rows: limit, bytes: Number.POSITIVE_INFINITY }
      const { rows, next } = await readDueFences({ until, share, after, ...page })
      return { rows: readEach('jobs', rows, readFence, onUnreadable), next }
    },
    async markFenced(rowId, version) {
      const id = String(rowId)
      const raise = { $max: { fencedVersion: version } }
      const isNewest = { version: where<number>({ $lte: version }) }
      const fenced = await jobs.updateEach('jobs.fenced', [
        { id, guard: isNewest, update: { ...raise, $unset: { fenceAt: 1 } } },
      ])
      // A newer version is stored, whose fence stays due.
      if (fenced === 0) await jobs.updateEach('jobs.fenced', [{ id, update: raise }])
    },
    async postponeFenceIfUnchanged(fence, nextAt) {
      const update = { $set: { fenceAt: nextAt }, $inc: { fenceTries: 1 } }
      await jobs.compareAndSetMany('jobs.postpone-fence', [
        { id: String(fence.rowId), guard: { fenceAt: fence.nextAt }, update },
      ])
    },
    async listPauseEnds(until, limit, share, after) {
      const page = { rows: limit, bytes: Number.POSITIVE_INFINITY }
      const { rows, next } = await readPauseEnds({ until, share, after, ...page })
      return { rows: rows.map(readPauseEnd), next }
    },
    listChanges: createChangesReader(db),
    async fetch(ids, bytes) {
      const sizes = await readRows('jobs.fetch', ids, ['_id', 'bytes'])
      const taken = cutAt(
        ids.map((id) => ({ id, bytes: sizes.get(id)?.bytes ?? 0 })),
        bytes,
      )
      const stored = await readRows(
        'jobs.fetch',
        taken.map(({ id }) => id),
        jobFields(['params']),
      )
      const unreadable: string[] = []
      const onBad: OnUnreadable = (collection, id, error) => {
        unreadable.push(String(id))
        onUnreadable(collection, id, error)
      }
      const present = taken.flatMap(({ id }) => stored.get(id) ?? [])
      const data = readEach('jobs', present, readJob, onBad).map(toJobChanges)
      return { data, left: ids.slice(taken.length), unreadable }
    },
    async listAges(after, limit) {
      const filter = { _id: where({ $gt: String(after ?? '') }), ...isJob }
      const found = await jobs.find('jobs.ages', filter, { sort: { _id: 1 }, limit, fields: ageFields })
      const ids = found.map(({ _id }) => _id)
      const progress = await summaries.find('summaries.read', { _id: where({ $in: ids }) }, { limit })
      const byJob = new Map(progress.map((one) => [one._id, one]))
      const last = found.length === limit ? found.at(-1) : undefined
      return { rows: found.map((one) => readAge(one, byJob.get(one._id))), next: last ? rowIdOf(last._id) : null }
    },
    async purgeMany(rows) {
      const purgeable = await withoutCopies(rows)
      const ids = purgeable.map(({ rowId }) => String(rowId))
      const before = await readRows('jobs.read', ids, ['_id', 'ownerId', 'key'])
      const guard = (version: number) => ({
        version,
        unpublishedAt: where<number>({ $exists: false }),
        fenceAt: where<number>({ $exists: false }),
      })
      if (before.size === 0) return 0
      const removals = purgeable.map(({ rowId, version }) => ({ id: String(rowId), guard: guard(version) }))
      await jobs.deleteEach('jobs.purge', removals)
      const left = await readRows('jobs.read', ids, ['_id'])
      const gone = [...before.values()].filter(({ _id }) => !left.has(_id))
      if (gone.length === 0) return 0
      await summaries.deleteEach(
        'summaries.purge',
        gone.map(({ _id }) => ({ id: _id })),
      )
      await keys.release(gone)
      return gone.length
    },
  }

  async function withoutCopies<R extends { readonly rowId: RowId }>(rows: readonly R[]): Promise<readonly R[]> {
    const copies = await Promise.all(
      rows.map(({ rowId }) => executions.findOne('executions.read', { jobId: String(rowId) }, { fields: ['_id'] })),
    )
    return rows.filter((_, index) => copies[index] === undefined)
  }
}
