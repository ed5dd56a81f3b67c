import type { JobStatusMessage } from '@belfry/contracts'
import { type Collection, where } from '@belfry/storage/mongo'
import { LRUCache } from 'lru-cache'
import { newestPerExecution, type ProgressUpdate, progressUpdates, statusOf } from '../../domain/execution.ts'
import type { ExecutionRecord, JobRecord, LastExecution, SummaryRecord } from './collections.ts'
import { copyRecord, copyUpdate, isNewer, olderThan, storedFields } from './execution-records.ts'

/** Jobs that are known to be stored. One that was purged since has no execution that could still change. */
const knownJobsLimit = 20_000

function lastOf(message: JobStatusMessage): LastExecution {
  const { fireAt, executionId: id, seq, timeline } = message
  return { fireAt, id, seq, status: statusOf(message), endedAt: timeline.endedAt }
}

function summaryOf({ jobId, ended, scheduledAt }: ProgressUpdate): SummaryRecord {
  return { _id: jobId, ...(ended && { last: lastOf(ended) }), ...(scheduledAt !== null && { scheduledAt }) }
}

/**
 * Stores job-status messages: copies first, then progress. A batch costs one read of what is stored, its inserts and updates side by
 * side, and one update of the summaries.
 */
export function createStatusWriter(
  jobs: Collection<JobRecord>,
  executions: Collection<ExecutionRecord>,
  summaries: Collection<SummaryRecord>,
): (messages: readonly JobStatusMessage[]) => Promise<void> {
  const knownJobs = new LRUCache<string, true>({ max: knownJobsLimit })

  const ofKnownJobs = async (messages: readonly JobStatusMessage[]) => {
    const asked = [...new Set(messages.map(({ jobId }) => jobId))].filter((id) => !knownJobs.has(id))
    if (asked.length > 0) {
      const filter = { _id: where({ $in: asked }), version: where<number>({ $gte: 1 }) }
      for (const { _id } of await jobs.find('jobs.read', filter, { fields: ['_id'], limit: asked.length }))
        knownJobs.set(_id, true)
    }
    return messages.filter(({ jobId }) => knownJobs.has(jobId))
  }

  /** Of one execution one message at most. */
  const copy = async (messages: readonly JobStatusMessage[]): Promise<void> => {
    if (messages.length === 0) return
    const ids = messages.map(({ executionId }) => executionId)
    const filter = { _id: where({ $in: ids }) }
    const found = await executions.find('executions.read', filter, { fields: storedFields, limit: ids.length })
    const stored = new Map(found.map((one) => [one._id, one]))
    const absent = messages.filter(({ executionId }) => !stored.has(executionId))
    const changes = messages.flatMap((message) => {
      const one = stored.get(message.executionId)
      if (!one || !isNewer(message, one)) return []
      return [{ id: one._id, guard: olderThan(message), update: copyUpdate(message, one) }]
    })
    const [inserted] = await Promise.all([
      executions.insertManyIfAbsent('executions.copy', absent.map(copyRecord)),
      changes.length > 0 && executions.updateEach('executions.copy', changes),
    ])
    // Inserted by another call in between: they may be older.
    await copy(absent.filter((_, index) => !inserted[index]))
  }

  /** BSON orders documents by their fields in order: `$max` keeps the newer of two `LastExecution`. */
  const summarise = async (updates: readonly ProgressUpdate[]): Promise<void> => {
    const rows = updates.map(summaryOf)
    const changes = rows.map(({ _id: id, ...progress }) => ({ id, update: { $max: progress } }))
    if (changes.length === 0) return
    if ((await summaries.updateEach('summaries.raise', changes)) === changes.length) return
    const inserted = await summaries.insertManyIfAbsent('summaries.raise', rows)
    const others = changes.filter((_, index) => !inserted[index])
    if (others.length > 0) await summaries.updateEach('summaries.raise', others)
  }

  return async (messages) => {
    const known = await ofKnownJobs(messages)
    await copy(newestPerExecution(known))
    await summarise(progressUpdates(known))
  }
}
