import { executionIdPattern } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { OnUnreadable } from '@belfry/storage'
import { type Collection, type MongoDatabase, where } from '@belfry/storage/mongo'
import type { WholeExecution } from '../../domain/execution.ts'
import type { ExecutionStore, ListPosition, LongField, Trigger } from '../ports.ts'
import { createStatusWriter } from './apply-statuses.ts'
import { createBatcher } from './batcher.ts'
import {
  type ExecutionRecord,
  executionsCollection,
  type JobRecord,
  jobsCollection,
  summariesCollection,
} from './collections.ts'
import { createDueReader } from './due.ts'
import { createExecutionLists, createRunningCount } from './execution-lists.ts'
import { commandFields, executionFields, readDueCommand, readExecution, triggerRecord } from './execution-records.ts'
import { isPositionOf, rowIdOf } from './positions.ts'
import { readEach } from './unreadable.ts'

/** Triggers that are stored in one batch. */
const triggersLimit = 500

/** Stores triggers: one read of the versions, one insert. */
function createTriggerWriter(jobs: Collection<JobRecord>, executions: Collection<ExecutionRecord>) {
  return createBatcher<Trigger, boolean>(triggersLimit, async (triggers) => {
    const ids = [...new Set(triggers.map(({ jobRowId }) => String(jobRowId)))]
    const found = await jobs.find(
      'jobs.read',
      { _id: where({ $in: ids }) },
      { fields: ['_id', 'version'], limit: ids.length },
    )
    const versions = new Map(found.map(({ _id, version }) => [_id, version]))
    const isCurrent = ({ jobRowId, command }: Trigger) => versions.get(String(jobRowId)) === command.version
    const current = triggers.filter(isCurrent)
    const inserted = await executions.insertManyIfAbsent('executions.trigger', current.map(triggerRecord))
    const stored = new Map(current.map((trigger, index) => [trigger, inserted[index] === true]))
    return triggers.map((trigger) => stored.get(trigger) ?? false)
  })
}

export interface ExecutionStoreDeps {
  readonly db: MongoDatabase
  readonly clock: Clock
  readonly onUnreadable: OnUnreadable
}

/** `ExecutionStore` on the collections `executions` and `summaries`. */
export function createExecutionStore({ db, clock, onUnreadable }: ExecutionStoreDeps): ExecutionStore {
  const jobs = db.collection(jobsCollection)
  const executions = db.collection(executionsCollection)
  const insertTrigger = createTriggerWriter(jobs, executions)
  const applyStatuses = createStatusWriter(jobs, executions, db.collection(summariesCollection))
  const readDue = createDueReader(executions, 'executions.due-commands', 'nextSendAt', commandFields)

  /** What lists and views show of the jobs of some executions. */
  const readJobs = async (found: readonly ExecutionRecord[], fields: readonly (keyof JobRecord)[]) => {
    const ids = [...new Set(found.map(({ jobId }) => jobId))]
    if (ids.length === 0) return new Map<string, JobRecord>()
    const stored = await jobs.find(
      'jobs.read',
      { _id: where({ $in: ids }) },
      { fields: ['_id', ...fields], limit: ids.length },
    )
    return new Map(stored.map((one) => [one._id, one]))
  }
  const jobFields = (fields: readonly LongField[]) =>
    fields.includes('params') ? (['name', 'params'] as const) : (['name'] as const)

  const findWhole = async (filter: { readonly _id: string; readonly ownerId?: string }) => {
    const fields = ['params', 'result'] as const
    const found = await executions.findOne('executions.read', filter, { fields: executionFields(fields) })
    if (!found) return undefined
    const job = (await readJobs([found], jobFields(fields))).get(found.jobId)
    return job && (readExecution(found, job, fields) as WholeExecution)
  }

  return {
    insertTrigger,
    insertTriggers: (triggers) => Promise.all(triggers.map(insertTrigger)),
    async markRetried(retried) {
      const changes = retried.map(({ id, by }) => ({
        id,
        guard: { retriedBy: where<string>({ $exists: false }) },
        update: { $set: { retriedBy: by }, $unset: { failedOf: 1 } } as const,
      }))
      if (changes.length > 0) await executions.updateEach('executions.retried', changes)
    },
    applyStatuses,
    find: (ownerId, id) => findWhole({ _id: id, ownerId }),
    findById: (id) => findWhole({ _id: id }),
    async readMany(rowIds, fields) {
      const ids = rowIds.map(String)
      if (ids.length === 0) return []
      const filter = { _id: where({ $in: ids }) }
      const found = await executions.find('executions.read', filter, {
        fields: executionFields(fields),
        limit: ids.length,
      })
      const byId = new Map(found.map((one) => [one._id, one]))
      const ofJobs = await readJobs(found, jobFields(fields))
      return ids.map((id) => {
        const record = byId.get(id)
        const job = record && ofJobs.get(record.jobId)
        return record && job && readExecution(record, job, fields)
      })
    },
    async readRowIds(ids) {
      if (ids.length === 0) return []
      const filter = { _id: where({ $in: ids }) }
      const found = await executions.find('executions.read', filter, { fields: ['_id'], limit: ids.length })
      const known = new Set(found.map(({ _id }) => _id))
      return ids.map((id) => (known.has(id) ? rowIdOf(id) : undefined))
    },
    async readCommand(id) {
      const found = await executions.findOne('executions.read', { _id: id, seq: 0 }, { fields: commandFields })
      return found && readDueCommand(found).command
    },
    listSummaries: createExecutionLists({ jobs, executions, clock }),
    countRunning: createRunningCount(executions),
    isPosition: (value): value is ListPosition => isPositionOf(value, executionIdPattern),
    async listDueCommands(until, page, share, after) {
      const { rows, next } = await readDue({ until, share, after, ...page })
      return { rows: readEach('executions', rows, readDueCommand, onUnreadable), next }
    },
    async postponeManyIfUnchanged(claims) {
      const swaps = claims.map(({ due, nextSendAt }) => ({
        id: String(due.rowId),
        guard: { nextSendAt: due.nextAt },
        update: { $set: { nextSendAt }, $inc: { tries: 1 } },
      }))
      if (swaps.length === 0) return []
      const postponed = await executions.compareAndSetMany('executions.resend', swaps)
      return claims.flatMap(({ due }, index) => (postponed[index] ? [due] : []))
    },
    async readSeqs(ids) {
      if (ids.length === 0) return []
      const filter = { _id: where({ $in: ids }) }
      const found = await executions.find('executions.read', filter, { fields: ['_id', 'seq'], limit: ids.length })
      const seqs = new Map(found.map(({ _id, seq }) => [_id, seq]))
      return ids.map((id) => seqs.get(id))
    },
    async purgeEnded(before, limit) {
      // Ids begin with the fire time, before which nothing ends: so the index of ids finds the old ones.
      const isEnded = {
        endedAt: where<number | null>({ $lt: before }),
        seq: where<number>({ $gt: 0 }),
        nextSendAt: where<number>({ $exists: false }),
      }
      const filter = { _id: where({ $lt: `exe-${before.toString(36)}` }), ...isEnded }
      const old = await executions.find('executions.old', filter, { sort: { _id: 1 }, limit, fields: ['_id'] })
      const rows = old.map(({ _id }) => ({ id: _id, guard: isEnded }))
      if (rows.length > 0) await executions.deleteEach('executions.purge', rows)
      return old.length === limit
    },
  }
}
