import type { ExecutionStatus, JobStatusMessage } from '@belfry/contracts'
import { type Collection, where } from '@belfry/storage/mongo'
import { statusOf } from '../../domain/execution.ts'
import { type HandedOver, type KnownExecution, type KnownExecutions, noExecutions } from '../../domain/status.ts'
import type { ExecutionRecord, SummaryRecord } from './collections.ts'

/** What is known of a job's executions. */
export type Known = KnownExecutions & HandedOver

const stages = { RUNNING: 'running', RETRYING: 'retrying', SCHEDULED: 'waiting' } as const satisfies Partial<
  Record<ExecutionStatus, string>
>
type Stage = (typeof stages)[keyof typeof stages]

const stageName = (jobId: string, stage: Stage) => `${jobId} ${stage}`

/** The text of `stage` in an execution's record: under it its job finds it. Absent for what the job's status does not ask for. */
export function stageOf(message: JobStatusMessage): string | undefined {
  const status = statusOf(message)
  if (status !== 'RUNNING' && status !== 'RETRYING' && status !== 'SCHEDULED') return undefined
  if (status === 'SCHEDULED' && message.cause !== 'schedule') return undefined
  return stageName(message.jobId, stages[status])
}

/** Jobs of one query: FerretDB reads the whole collection instead of the index when a filter names 200 values. */
export const queryJobs = 50

export function chunksOf<T>(values: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, n) => values.slice(n * size, (n + 1) * size))
}

const stageFields = ['_id', 'stage', 'fireAt'] as const

export interface KnownReader {
  /** Of each job, its progress and its newest executions that run or wait for a retry. */
  readExecutions(jobIds: readonly string[]): Promise<(jobId: string) => Known>
  /** The same, and the earliest fire time that has not started. */
  readAll(jobIds: readonly string[]): Promise<(jobId: string) => Known>
}

export function createKnownReader(
  executions: Collection<ExecutionRecord>,
  summaries: Collection<SummaryRecord>,
): KnownReader {
  const inStages = (jobIds: readonly string[], wanted: readonly Stage[]) => ({
    stage: where<string>({ $in: jobIds.flatMap((id) => wanted.map((stage) => stageName(id, stage))) }),
  })

  const firstOfEach = async (jobIds: readonly string[], wanted: readonly Stage[], direction: 1 | -1) => {
    const sort = { fireAt: direction, _id: direction } as const
    const options = { sort, fields: stageFields }
    const read = (some: readonly string[]) =>
      executions.findFirstOfEach('executions.stage', inStages(some, wanted), 'stage', options)
    const found = await Promise.all(chunksOf(jobIds, queryJobs).map(read))
    return new Map(found.flat().map((one) => [one.stage, one]))
  }

  const readExecutions: KnownReader['readExecutions'] = async (jobIds) => {
    if (jobIds.length === 0) return () => noExecutions
    const [progress, newest] = await Promise.all([
      summaries.find('summaries.read', { _id: where({ $in: jobIds }) }, { limit: jobIds.length }),
      firstOfEach(jobIds, ['running', 'retrying'], -1),
    ])
    const byJob = new Map(progress.map((one) => [one._id, one]))
    const newestOf = (jobId: string, status: 'RUNNING' | 'RETRYING'): KnownExecution | null => {
      const found = newest.get(stageName(jobId, stages[status]))
      return found ? { id: found._id, fireAt: found.fireAt, status, endedAt: null } : null
    }
    return (jobId) => {
      const { last, scheduledAt } = byJob.get(jobId) ?? {}
      const known = last ? { id: last.id, fireAt: last.fireAt, status: last.status, endedAt: last.endedAt } : null
      const atWork = { running: newestOf(jobId, 'RUNNING'), retrying: newestOf(jobId, 'RETRYING') }
      return { last: known, ...atWork, waitingAt: null, newestAt: scheduledAt ?? null }
    }
  }

  /** The earliest that waits after a time: asked for where the earliest of all lies before the last one that has ended. */
  const waitingAfter = async (jobId: string, after: number): Promise<number | null> => {
    const filter = { stage: stageName(jobId, 'waiting'), fireAt: where({ $gt: after }) }
    const options = { sort: { fireAt: 1 }, fields: stageFields } as const
    return (await executions.findOne('executions.stage', filter, options))?.fireAt ?? null
  }

  return {
    readExecutions,
    async readAll(jobIds) {
      if (jobIds.length === 0) return () => noExecutions
      const [knownOf, earliest] = await Promise.all([readExecutions(jobIds), firstOfEach(jobIds, ['waiting'], 1)])
      const waiting = new Map<string, number | null>()
      await Promise.all(
        jobIds.map(async (jobId) => {
          const at = earliest.get(stageName(jobId, 'waiting'))?.fireAt
          const lastAt = knownOf(jobId).last?.fireAt ?? -1
          if (at !== undefined) waiting.set(jobId, at > lastAt ? at : await waitingAfter(jobId, lastAt))
        }),
      )
      return (jobId) => ({ ...knownOf(jobId), waitingAt: waiting.get(jobId) ?? null })
    },
  }
}
