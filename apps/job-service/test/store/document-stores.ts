import {
  type ExecutionStatus,
  isFinal,
  type JobExecuteMessage,
  type JobStatusMessage,
  jobIdPattern,
} from '@belfry/contracts'
import type { RequestRecord } from '@belfry/http'
import { type RowId, shardOf, type WorkShare } from '@belfry/storage'
import { createDocumentStore as createAuditDocuments } from '../../../../libs/audit/test/documents.ts'
import {
  type Execution,
  newestPerExecution,
  plannedDetail,
  progressUpdates,
  statusOf,
  type WholeExecution,
} from '../../src/domain/execution.ts'
import { dueFromOf, fencedChanges, isLive, type Job, newestVersion, toJobChanges } from '../../src/domain/job.ts'
import type { JobScope } from '../../src/domain/reach.ts'
import type { Secret } from '../../src/domain/secret.ts'
import type { KnownExecution } from '../../src/domain/status.ts'
import {
  type CreatedJob,
  type DueCursor,
  type ExecutionScope,
  type ExecutionStore,
  type ExecutionSummary,
  type JobStore,
  type JobSummary,
  type JobsQuery,
  type ListedJob,
  type ListPosition,
  type LongField,
  mostSharedJobs,
  type RetriedExecution,
  type StoredJob,
  type Stores,
} from '../../src/store/ports.ts'
import { type Collection, createCollection, type Stored } from './document-collection.ts'
import { createNotificationStores } from './document-notifications.ts'
import { createSecrets } from './document-secrets.ts'

/** How long a step is under way: a few iterations of the event loop, each time another number. */
const createLatency = (random: () => number) => async () => {
  for (let left = Math.floor(random() * 4); left > 0; left--) await new Promise(setImmediate)
}

export interface DocumentStoresOptions {
  /** What each step waits for before and after it; some iterations of the event loop when left out. */
  readonly latency?: () => Promise<void>
  /** Called with each job that is stored, at that moment, and the version up to which the executors have it. */
  readonly onJob?: (job: Job, fencedVersion: number) => void
  /** The same for copies of executions. */
  readonly onCopy?: (copy: ExecutionDocument) => void
  readonly audit?: Stores['audit']
}

/**
 * The stores as a document database would have them: collections of JSON documents with random text ids, every step on one
 * document, no transaction over two, and answers that come in any order. It proves that the ports ask for no more.
 */
export function createDocumentStores(random: () => number = Math.random, options: DocumentStoresOptions = {}): Stores {
  const { latency = createLatency(random), onJob, onCopy, audit = createAuditDocuments() } = options
  const jobs = createCollection<JobDocument>(latency, ({ id, slot }) => [`id ${id}`, `slot ${slot}`], {
    random,
    onWrite: onJob && (({ job, fencedVersion }) => onJob(job, fencedVersion)),
  })
  const executions = createCollection<ExecutionDocument>(latency, ({ id }) => [id], { random, onWrite: onCopy })
  const requests = createCollection<RequestRecord>(latency, ({ id }) => [id], { random })
  const cursors = createCollection<{ name: string; at: number }>(latency, ({ name }) => [name], { random })
  const poison = createCollection<{ name: string }>(latency, ({ name }) => [name], { random })
  const secrets = createCollection<Secret>(latency, ({ ownerId, name }) => [`${ownerId}:${name}`], {
    random,
  })
  const changeNos = createCounter(latency)
  return {
    jobs: createJobs(jobs, executions, changeNos),
    executions: createExecutions(jobs, executions),
    requests: createRequests(requests),
    secrets: createSecrets(secrets),
    ...createNotificationStores(latency, random),
    cursors: {
      read: async (name) => (await cursors.findOne((one) => one.name === name))?.at ?? 0,
      async write(name, at) {
        if (!(await cursors.insert({ name, at }))) await cursors.updateOne((one) => one.name === name, { at })
      },
    },
    audit,
    poison: {
      async keep(messages) {
        await Promise.all(
          messages.map(({ topic, partition, offset }) => poison.insert({ name: `${topic} ${partition} ${offset}` })),
        )
      },
    },
    close: async () => undefined,
  }
}

/** The newest execution that has ended, and the newest fire time of the schedule. */
interface Progress {
  readonly last: (KnownExecution & { readonly seq: number }) | null
  readonly scheduledAt: number | null
}

interface JobDocument {
  readonly id: string
  /** `ownerId:(key ?? id)` of a live job, else `ownerId:id`. */
  readonly slot: string
  readonly job: Job
  readonly changeNo: number
  readonly publishedVersion: number
  readonly fencedVersion: number
  readonly fenceAt: number | null
  readonly fenceTries: number
  readonly progress: Progress
  readonly dueFrom: number | null
}

export interface ExecutionDocument {
  readonly id: string
  readonly jobId: string
  readonly ownerId: string
  readonly jobType: string
  readonly version: number
  readonly fireAt: number
  readonly seq: number
  readonly status: ExecutionStatus
  readonly isScheduled: boolean
  readonly endedAt: number | null
  readonly reason: string | null
  readonly detail: Execution['detail']
  readonly result: unknown
  /** Null: those of the job. */
  readonly params: Record<string, unknown> | null
  /** Until a job-status has answered it. */
  readonly command: JobExecuteMessage | null
  readonly retriedBy: string | null
  readonly nextSendAt: number | null
  readonly tries: number
}

const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
const compare = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0)
const slotOf = (job: Job) => `${job.ownerId}:${(isLive(job) && job.key) || job.id}`
const runAtOf = ({ spec }: Job) => (spec.schedule.kind === 'once' ? spec.schedule.runAt : null)
const newestJob = (a: JobDocument, b: JobDocument) => b.job.createdAt - a.job.createdAt || compare(b.id, a.id)
type Placed = Pick<ExecutionDocument, 'fireAt' | 'id'>
const newestExecution = (a: Placed, b: Placed) => b.fireAt - a.fireAt || compare(b.id, a.id)

function jobSummaryOf(found: Stored<JobDocument> | undefined): ExecutionSummary['job'] {
  if (!found) return null
  const { key, spec } = found.job
  return { name: spec.name, key, tags: spec.tags }
}

/** The first rows within bytes, one at least. */
function cut<T>(rows: readonly T[], bytes: number): readonly T[] {
  let sum = 0
  const end = rows.findIndex((row, index) => {
    sum += bytesOf(row)
    return index > 0 && sum > bytes
  })
  return end < 0 ? rows : rows.slice(0, end)
}

function cursorOf(nextAt: number, id: string): DueCursor {
  return [nextAt, id] as readonly (string | number)[] as DueCursor
}

function isAfter(cursor: DueCursor | null, nextAt: number, id: string): boolean {
  if (cursor === null) return true
  const [at, last] = cursor as unknown as [number, string]
  return nextAt > at || (nextAt === at && id > last)
}

/** A counter in a document of its own: a number is handed out in one step, before the write that stores it. */
function createCounter(latency: () => Promise<void>) {
  let newest = 0
  return {
    async next(): Promise<number> {
      await latency()
      newest += 1
      const handedOut = newest
      await latency()
      return handedOut
    },
    async read(): Promise<number> {
      await latency()
      return newest
    },
  }
}

function isInScope(scope: JobScope, { ownerId, viewers }: Job): boolean {
  if (scope === 'all') return true
  return 'ownerId' in scope ? ownerId === scope.ownerId : viewers.some(({ id }) => id === scope.viewerId)
}

/** Whether a record is of the share, by its public id and the moment at which it was due. */
const isOf = ({ index, instances, overdueAt }: WorkShare, id: string, dueAt: number) =>
  shardOf(id) % instances === index || dueAt <= overdueAt

function createJobs(
  jobs: Collection<JobDocument>,
  executions: Collection<ExecutionDocument>,
  changeNos: ReturnType<typeof createCounter>,
): JobStore {
  const knownOf = async ({ id, progress }: JobDocument): Promise<StoredJob['known']> => {
    const newest = async (status: ExecutionStatus): Promise<KnownExecution | null> => {
      const [one] = await executions.find((other) => other.jobId === id && other.status === status, newestExecution, 1)
      return one ? { id: one.id, status, fireAt: one.fireAt, endedAt: null } : null
    }
    const lastAt = progress.last?.fireAt ?? -1
    const waiting = await executions.find(
      (one) => one.jobId === id && one.isScheduled && one.status === 'SCHEDULED' && one.fireAt > lastAt,
      (a, b) => a.fireAt - b.fireAt,
      1,
    )
    const [running, retrying] = await Promise.all([newest('RUNNING'), newest('RETRYING')])
    const last = progress.last && { ...progress.last }
    if (last) delete (last as { seq?: number }).seq
    return { last, running, retrying, waitingAt: waiting[0]?.fireAt ?? null, newestAt: progress.scheduledAt }
  }
  const storedJob = async (document: Stored<JobDocument>): Promise<StoredJob> => {
    const { rowId, job, fencedVersion, publishedVersion } = document
    return {
      ...job,
      rowId,
      fencedVersion,
      isPublished: publishedVersion >= job.version,
      known: await knownOf(document),
    }
  }
  const listed = async (document: Stored<JobDocument>, fields: readonly LongField[]): Promise<ListedJob> => {
    const { params, ...spec } = document.job.spec
    const job = await storedJob(document)
    return fields.includes('params') ? job : { ...job, spec }
  }
  const summaryOf = async (
    document: Stored<JobDocument>,
    { fields, withTags }: Pick<JobsQuery, 'fields' | 'withTags'>,
  ): Promise<JobSummary> => {
    const { rowId, id, job, publishedVersion } = document
    const { params, ...spec } = job.spec
    const { last, running, retrying } = await knownOf(document)
    const { state, version, createdAt } = job
    const isPublished = publishedVersion >= version
    return {
      ...{ rowId, createdAt, name: spec.name, key: job.key, jobType: spec.jobType, tags: withTags ? spec.tags : [] },
      position: [id] as readonly string[] as ListPosition,
      bytes: bytesOf({ ...job, spec }) + (fields.includes('params') ? bytesOf(params) : 0),
      statusInput: { state, isPublished, runAt: runAtOf(job), last, running, retrying },
    }
  }
  const isPosition = (value: unknown): value is ListPosition =>
    Array.isArray(value) && value.length === 1 && typeof value[0] === 'string' && jobIdPattern.test(value[0])

  const create = async (job: Job, mostJobs = Number.POSITIVE_INFINITY): Promise<CreatedJob> => {
    const same = await jobs.findOne((one) => one.id === job.id)
    if (same) return { rowId: same.rowId, isNew: false }
    const own = await jobs.find((one) => one.job.ownerId === job.ownerId && isLive(one.job))
    const holder = job.key === null ? undefined : own.find((one) => one.job.key === job.key)
    if (holder) return holder.id === job.id ? { rowId: holder.rowId, isNew: false } : 'key-taken'
    if (own.length >= mostJobs) return 'too-many'
    const fence = { fencedVersion: job.version, fenceAt: null, fenceTries: 0 }
    const progress = { last: null, scheduledAt: null }
    const changeNo = await changeNos.next()
    const about = { id: job.id, slot: slotOf(job), job, changeNo, publishedVersion: 0 }
    const rowId = await jobs.insert({ ...about, ...fence, progress, dueFrom: dueFromOf(job) })
    if (rowId !== null) return { rowId, isNew: true }
    const stored = await jobs.findOne((one) => one.id === job.id)
    return stored ? { rowId: stored.rowId, isNew: false } : 'key-taken'
  }

  return {
    isPosition,
    create,
    createMany: (newJobs, mostJobs) => Promise.all(newJobs.map((job) => create(job, mostJobs))),
    async compareAndSet(rowId, from, job, fenceAt) {
      // A row as the port gives it has more fields than a job.
      const {
        id,
        ownerId,
        key,
        version,
        state,
        spec,
        changes,
        warnings,
        viewers,
        pauseUntil,
        pause,
        createdAt,
        changedAt,
      } = job
      const about = { id, ownerId, key, version, state, spec, changes, warnings, viewers }
      const next: Job = { ...about, pauseUntil, pause, createdAt, changedAt }
      return jobs.updateOne((one) => one.rowId === rowId && one.job.version === from, {
        job: next,
        dueFrom: dueFromOf(next),
        slot: slotOf(next),
        changeNo: await changeNos.next(),
        fenceAt,
        fenceTries: 0,
      })
    },
    async countLive(ownerId, limit) {
      return (await jobs.find((one) => one.job.ownerId === ownerId && isLive(one.job), undefined, limit)).length
    },
    async findById(id) {
      const found = await jobs.findOne((one) => one.id === id)
      return found && storedJob(found)
    },
    async find(ownerId, ref) {
      const own = await jobs.find(
        ({ job }) => job.ownerId === ownerId && (job.id === ref || job.key === ref),
        newestJob,
      )
      const found = own.find((one) => one.id === ref) ?? own.find((one) => isLive(one.job)) ?? own[0]
      return found && storedJob(found)
    },
    readMany: (rowIds, fields) =>
      Promise.all(
        rowIds.map(async (rowId) => {
          const document = await jobs.get(rowId)
          return document && listed(document, fields)
        }),
      ),
    isDuePosition: (value): value is ListPosition =>
      Array.isArray(value) && value.length === 2 && Number.isSafeInteger(value[0]) && typeof value[1] === 'string',
    async listByDue(ownerId, { until, after, limit, ...query }) {
      const rows = await jobs.find(
        ({ id, job, dueFrom }) =>
          job.ownerId === ownerId &&
          dueFrom !== null &&
          dueFrom <= until &&
          isAfter(after as DueCursor | null, dueFrom, id),
        (a, b) => (a.dueFrom ?? 0) - (b.dueFrom ?? 0) || compare(a.id, b.id),
        limit,
      )
      return Promise.all(
        rows.map(async (row) => {
          const dueFrom = row.dueFrom ?? 0
          const position = [dueFrom, row.id] as readonly (string | number)[] as ListPosition
          return { ...(await summaryOf(row, query)), position, version: row.job.version, dueFrom }
        }),
      )
    },
    async raiseDue(rows) {
      await Promise.all(
        rows.map(({ rowId, version, dueFrom, next }) =>
          jobs.updateOne((one) => one.rowId === rowId && one.job.version === version && one.dueFrom === dueFrom, {
            dueFrom: next,
          }),
        ),
      )
    },
    async listSummaries(scope, { after, limit, ...query }) {
      const last = after && (await jobs.findOne((one) => one.id === after[0]))
      const rows = await jobs.find(
        (one) => isInScope(scope, one.job) && one.job.state !== 'deleted' && (!last || newestJob(last, one) < 0),
        newestJob,
        limit,
      )
      return Promise.all(rows.map((row) => summaryOf(row, query)))
    },
    async listUnpublished({ rows, bytes }, share) {
      const found = await jobs.find(
        ({ id, job, publishedVersion }) => publishedVersion < job.version && isOf(share, id, job.changedAt),
        undefined,
        rows,
      )
      const values = cut(
        found.map(({ rowId, job }) => ({ rowId, ...newestVersion(job) })),
        bytes,
      )
      return { rows: values, hasMore: values.length < found.length || found.length === rows }
    },
    async markPublished(rows) {
      await Promise.all(
        rows.map(({ rowId, seq }) =>
          jobs.updateOne((one) => one.rowId === rowId && one.publishedVersion < seq, { publishedVersion: seq }),
        ),
      )
    },
    async listDueFences(until, limit, share, after = null) {
      const rows = await jobs.find(
        ({ fenceAt, id }) =>
          fenceAt !== null && fenceAt <= until && isOf(share, id, fenceAt) && isAfter(after, fenceAt, id),
        (a, b) => (a.fenceAt ?? 0) - (b.fenceAt ?? 0) || compare(a.id, b.id),
        limit,
      )
      const due = rows.map(({ rowId, id, job, fenceAt, fenceTries }) => ({
        rowId,
        jobId: id,
        version: job.version,
        nextAt: fenceAt ?? 0,
        tries: fenceTries,
        changes: fencedChanges(job),
      }))
      const last = rows.length === limit ? rows.at(-1) : undefined
      return { rows: due, next: last ? cursorOf(last.fenceAt ?? 0, last.id) : null }
    },
    async markFenced(rowId, version) {
      await jobs.updateOne(
        (one) => one.rowId === rowId && one.fencedVersion < version,
        ({ job, fenceAt }) => ({ fencedVersion: version, fenceAt: job.version <= version ? null : fenceAt }),
      )
    },
    async postponeFenceIfUnchanged(fence, nextAt) {
      await jobs.updateOne(
        (one) => one.rowId === fence.rowId && one.fenceAt === fence.nextAt,
        ({ fenceTries }) => ({ fenceAt: nextAt, fenceTries: fenceTries + 1 }),
      )
    },
    async listPauseEnds(until, limit, share, after = null) {
      const rows = await jobs.find(
        ({ id, job: { pauseUntil } }) =>
          pauseUntil !== null && pauseUntil <= until && isOf(share, id, pauseUntil) && isAfter(after, pauseUntil, id),
        (a, b) => (a.job.pauseUntil ?? 0) - (b.job.pauseUntil ?? 0) || compare(a.id, b.id),
        limit,
      )
      const last = rows.length === limit ? rows.at(-1) : undefined
      const next = last ? cursorOf(last.job.pauseUntil ?? 0, last.id) : null
      return { rows: rows.map(({ id, job }) => ({ jobId: id, ownerId: job.ownerId })), next }
    },
    async listChanges({ after, limit, unlistedBefore }) {
      const head = await changeNos.read()
      const isOver = ({ job, publishedVersion, progress }: JobDocument) => {
        const runAt = runAtOf(job)
        if (runAt === null || job.state !== 'active' || publishedVersion < job.version) return false
        const newestAt = Math.max(progress.last?.fireAt ?? -1, progress.scheduledAt ?? -1)
        return Math.max(runAt, job.changedAt) < unlistedBefore && newestAt >= runAt
      }
      const found = await jobs.find(
        (one) => one.changeNo > after && !isOver(one),
        (a, b) => a.changeNo - b.changeNo,
        limit,
      )
      const rows = found.map(({ id, job, changeNo }) => ({ id, version: job.version, changeNo }))
      return { rows, head, hasMore: rows.length === limit }
    },
    async fetch(ids, bytes) {
      const found = await Promise.all(ids.map((id) => jobs.findOne((one) => one.id === id)))
      const taken = cut(
        found.map((one) => one?.job ?? null),
        bytes,
      )
      const data = taken.flatMap((job) => (job ? [toJobChanges(job)] : []))
      return { data, left: ids.slice(taken.length), unreadable: [] }
    },
    async listAges(after, limit) {
      const rows = await jobs.find(
        (one) => after === null || compare(one.rowId, after) > 0,
        (a, b) => compare(a.rowId, b.rowId),
        limit,
      )
      const ages = rows.map(({ rowId, job, progress: { last } }) => {
        const { version, state, changedAt } = job
        const newest = last && { fireAt: last.fireAt, endedAt: last.endedAt }
        return { rowId, version, state, runAt: runAtOf(job), changedAt, newest }
      })
      return { rows: ages, next: rows.length === limit ? (rows.at(-1)?.rowId ?? null) : null }
    },
    async purgeMany(rows) {
      const purged = await Promise.all(
        rows.map(async ({ rowId, version }) => {
          const document = await jobs.get(rowId)
          if (!document || (await executions.findOne((one) => one.jobId === document.id))) return false
          return jobs.deleteOne(
            (one) =>
              one.rowId === rowId &&
              one.job.version === version &&
              one.publishedVersion >= version &&
              one.fenceAt === null,
          )
        }),
      )
      return purged.filter(Boolean).length
    },
  }
}

function createExecutions(jobs: Collection<JobDocument>, executions: Collection<ExecutionDocument>): ExecutionStore {
  const shown = async (document: ExecutionDocument, fields: readonly LongField[]): Promise<Execution | undefined> => {
    const job = await jobs.findOne((one) => one.id === document.jobId)
    if (!job) return undefined
    const { id, jobId, ownerId, jobType, version, fireAt, seq, status, reason, detail, params, result } = document
    return {
      ...{ id, jobId, ownerId, jobType, version, fireAt, seq, status, reason, detail },
      ...{ hasOwnParams: params !== null, retriedBy: document.retriedBy },
      jobName: job.job.spec.name,
      ...(fields.includes('params') && { params: params ?? job.job.spec.params }),
      ...(fields.includes('result') && { result }),
    }
  }
  const isPosition = (value: unknown): value is ListPosition =>
    Array.isArray(value) && value.length === 2 && Number.isSafeInteger(value[0]) && typeof value[1] === 'string'

  const inScope =
    (scope: ExecutionScope, jobId: string | undefined, sharedIds: ReadonlySet<string>) => (one: ExecutionDocument) => {
      if (scope === 'all') return true
      if ('jobRowId' in scope) return one.jobId === jobId
      if ('viewerId' in scope) return sharedIds.has(one.jobId)
      return (
        one.ownerId === scope.ownerId && (!('failed' in scope) || (one.status === 'FAILED' && one.retriedBy === null))
      )
    }

  const apply = async (message: JobStatusMessage): Promise<void> => {
    const { executionId: id, jobId, ownerId, jobType, version, fireAt, seq } = message
    if (!(await jobs.findOne((one) => one.id === jobId))) return
    const { cause, runAt, epoch, attempts, failures, losses, blockedBy, retryOf, error, artifacts, timeline } = message
    const ended = { blockedBy, retryOf, error, artifacts, timeline }
    const copy = {
      ...{ jobType, version, seq },
      status: statusOf(message),
      endedAt: timeline.endedAt,
      detail: { cause, runAt, epoch, attempts, failures, losses, ...ended },
      result: message.result ?? null,
      command: null,
      nextSendAt: null,
    }
    const about = {
      id,
      jobId,
      ownerId,
      fireAt,
      isScheduled: cause === 'schedule',
      reason: null,
      params: null,
      retriedBy: null,
      tries: 0,
    }
    if ((await executions.insert({ ...about, ...copy })) !== null) return
    await executions.updateOne(
      (one) => one.id === id && one.seq < seq && (one.version <= version || isFinal(message)),
      copy,
    )
  }

  const raise = async ({ jobId, ended, scheduledAt }: ReturnType<typeof progressUpdates>[number]): Promise<void> => {
    const last = ended && {
      id: ended.executionId,
      status: statusOf(ended),
      fireAt: ended.fireAt,
      endedAt: ended.timeline.endedAt,
      seq: ended.seq,
    }
    const isNewer = (old: Progress['last']) =>
      last !== null &&
      (old === null || (last.fireAt - old.fireAt || compare(last.id, old.id) || last.seq - old.seq) > 0)
    await jobs.updateOne(
      (one) => one.id === jobId,
      ({ progress }) => ({
        progress: {
          last: isNewer(progress.last) ? last : progress.last,
          scheduledAt:
            scheduledAt === null ? progress.scheduledAt : Math.max(scheduledAt, progress.scheduledAt ?? scheduledAt),
        },
      }),
    )
  }

  const store: ExecutionStore = {
    isPosition,
    insertTriggers: (triggers) => Promise.all(triggers.map((trigger) => store.insertTrigger(trigger))),
    async markRetried(retried) {
      const mark = ({ id, by }: RetriedExecution) =>
        executions.updateOne((one) => one.id === id && one.retriedBy === null, { retriedBy: by })
      await Promise.all(retried.map(mark))
    },
    readRowIds: (ids) => Promise.all(ids.map(async (id) => (await executions.findOne((one) => one.id === id))?.rowId)),
    async readCommand(id) {
      return (await executions.findOne((one) => one.id === id && one.seq === 0))?.command ?? undefined
    },
    async insertTrigger({ jobRowId, command, hasOwnParams, reason, nextSendAt }) {
      const job = await jobs.get(jobRowId)
      if (job?.job.version !== command.version) return false
      const { executionId: id, jobId, ownerId, jobType, version, fireAt, params } = command
      const start = { seq: 0, status: 'SCHEDULED', isScheduled: false, endedAt: null, result: null, tries: 0 } as const
      const stored = await executions.insert({
        ...{ id, jobId, ownerId, jobType, version, fireAt, reason, command, nextSendAt },
        ...start,
        retriedBy: null,
        detail: plannedDetail(command),
        params: hasOwnParams ? params : null,
      })
      return stored !== null
    },
    async applyStatuses(messages) {
      await Promise.all(newestPerExecution(messages).map(apply))
      await Promise.all(progressUpdates(messages).map(raise))
    },
    async findById(id) {
      const found = await executions.findOne((one) => one.id === id)
      return found && ((await shown(found, ['params', 'result'])) as WholeExecution | undefined)
    },
    async find(ownerId, id) {
      const found = await executions.findOne((one) => one.id === id && one.ownerId === ownerId)
      return found && ((await shown(found, ['params', 'result'])) as WholeExecution | undefined)
    },
    readMany: (rowIds, fields) =>
      Promise.all(
        rowIds.map(async (rowId) => {
          const document = await executions.get(rowId)
          return document && shown(document, fields)
        }),
      ),
    async countRunning(ownerId, limit) {
      return (await executions.find((one) => one.ownerId === ownerId && one.status === 'RUNNING', undefined, limit))
        .length
    },
    async listSummaries(scope, query) {
      const { after, limit, fields, from = 0, to = Number.POSITIVE_INFINITY, isOldestFirst, withJob } = query
      const job = scope !== 'all' && 'jobRowId' in scope ? await jobs.get(scope.jobRowId) : undefined
      const viewerId = scope !== 'all' && 'viewerId' in scope ? scope.viewerId : null
      const shared = await jobs.find(
        (one) => one.job.viewers.some(({ id }) => id === viewerId),
        newestJob,
        mostSharedJobs,
      )
      const isInScope = inScope(scope, job?.id, new Set(shared.map((one) => one.id)))
      const order = isOldestFirst ? -1 : 1
      const [fireAt, id] = (after ?? []) as unknown as [number, string]
      const rows = await executions.find(
        (one) =>
          isInScope(one) &&
          one.fireAt >= from &&
          one.fireAt <= to &&
          (!after || order * newestExecution({ fireAt, id }, one) < 0),
        (a, b) => order * newestExecution(a, b),
        limit,
      )
      return Promise.all(
        rows.map(async (document) => {
          const { rowId, id, jobId, jobType, fireAt, status, endedAt, detail, result, params } = document
          const long = fields.includes('params')
            ? (params ?? (await jobs.findOne((one) => one.id === jobId))?.job.spec.params)
            : undefined
          return {
            rowId,
            position: [fireAt, id] as readonly (string | number)[] as ListPosition,
            bytes:
              bytesOf(detail) +
              (long ? bytesOf(long) : 0) +
              (fields.includes('result') && result !== null ? bytesOf(result) : 0),
            jobRowId: (await jobs.findOne((one) => one.id === jobId))?.rowId as RowId,
            job: withJob ? jobSummaryOf(await jobs.findOne((one) => one.id === jobId)) : null,
            ...{ id, jobType, fireAt, status, endedAt },
          }
        }),
      )
    },
    async listDueCommands(until, { rows: limit, bytes }, share, after = null) {
      const found = await executions.find(
        ({ nextSendAt, id }) =>
          nextSendAt !== null && nextSendAt <= until && isOf(share, id, nextSendAt) && isAfter(after, nextSendAt, id),
        (a, b) => (a.nextSendAt ?? 0) - (b.nextSendAt ?? 0) || compare(a.id, b.id),
        limit,
      )
      const due = cut(
        found.map(({ rowId, nextSendAt, tries, command }) => ({
          ...{ rowId, tries, nextAt: nextSendAt ?? 0 },
          command: command as JobExecuteMessage,
        })),
        bytes,
      )
      const last = due.length < found.length || found.length === limit ? found[due.length - 1] : undefined
      return { rows: due, next: last ? cursorOf(last.nextSendAt ?? 0, last.id) : null }
    },
    async postponeManyIfUnchanged(claims) {
      const claimed = await Promise.all(
        claims.map(({ due, nextSendAt }) =>
          executions.updateOne(
            (one) => one.rowId === due.rowId && one.nextSendAt === due.nextAt,
            ({ tries }) => ({ nextSendAt, tries: tries + 1 }),
          ),
        ),
      )
      return claims.flatMap(({ due }, index) => (claimed[index] ? [due] : []))
    },
    readSeqs: (ids) => Promise.all(ids.map(async (id) => (await executions.findOne((one) => one.id === id))?.seq)),
    async purgeEnded(before, limit) {
      const isEnded = (one: ExecutionDocument) =>
        one.endedAt !== null && one.endedAt < before && one.seq > 0 && one.nextSendAt === null
      const found = await executions.find(isEnded, undefined, limit)
      await Promise.all(found.map(({ rowId }) => executions.deleteOne((one) => one.rowId === rowId && isEnded(one))))
      return found.length === limit
    },
  }
  return store
}

function createRequests(requests: Collection<RequestRecord>): Stores['requests'] {
  const withoutRowId = ({ rowId, ...record }: Stored<RequestRecord>): RequestRecord => record
  return {
    async insert(record, keptSince) {
      for (;;) {
        await requests.deleteOne((one) => one.id === record.id && one.madeAt < keptSince)
        if ((await requests.insert(record)) !== null) return undefined
        const found = await requests.findOne((one) => one.id === record.id)
        // It may have been removed in between: then the record is inserted after all.
        if (found) return withoutRowId(found)
      }
    },
    async find(id) {
      const found = await requests.findOne((one) => one.id === id)
      return found && withoutRowId(found)
    },
    retake: ({ id, triedBy, triedAt }, by, at) =>
      requests.updateOne(
        (one) => one.id === id && one.triedBy === triedBy && one.triedAt === triedAt && one.answer === null,
        { triedBy: by, triedAt: at },
      ),
    storeAnswer: ({ id, triedBy, triedAt }, answer) =>
      requests.updateOne(
        (one) => one.id === id && one.triedBy === triedBy && one.triedAt === triedAt && one.answer === null,
        { answer },
      ),
    async removeIfUntouched({ id, triedBy, triedAt }) {
      await requests.deleteOne(
        (one) => one.id === id && one.triedBy === triedBy && one.triedAt === triedAt && one.answer === null,
      )
    },
    async purge(before, limit) {
      const old = await requests.find((one) => one.madeAt < before, undefined, limit)
      await Promise.all(old.map(({ id }) => requests.deleteOne((one) => one.id === id && one.madeAt < before)))
      return old.length === limit
    },
  }
}
