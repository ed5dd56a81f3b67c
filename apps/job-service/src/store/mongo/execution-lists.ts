import type { ExecutionStatus } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { type Collection, type Condition, where } from '@belfry/storage/mongo'
import { parseJobBody } from '../job-body.ts'
import {
  type ExecutionScope,
  type ExecutionStore,
  type ExecutionSummary,
  type ExecutionsQuery,
  mostSharedJobs,
} from '../ports.ts'
import type { ExecutionRecord, JobRecord } from './collections.ts'
import { readSummary, summaryFields } from './execution-records.ts'
import { chunksOf, queryJobs } from './known.ts'
import { beyond, readPosition, within } from './positions.ts'
import { everything, readWindows, type Window, windowsDownTo, windowsUp } from './windows.ts'

/** How wide the first window of a list of executions is, by fire time, milliseconds. */
const listWindowMs = 1000

type Filter = Partial<Record<'jobId' | 'ownerId' | 'failedOf' | 'retriedBy', string | Condition<string>>>

function scopeFilter(scope: Exclude<ExecutionScope, { viewerId: string } | 'all'>): Filter {
  if ('jobRowId' in scope) return { jobId: String(scope.jobRowId) }
  const isNotRetried = where<string>({ $exists: false })
  return 'failed' in scope ? { failedOf: scope.ownerId, retriedBy: isNotRetried } : { ownerId: scope.ownerId }
}

/** The windows of a list in its order, behind its position. */
function windowsOf({ after, from = everything.from, to = everything.to, isOldestFirst }: ExecutionsQuery, now: number) {
  const at = after ? readPosition(after)[0] : null
  if (isOldestFirst) return windowsUp(Math.max(at ?? from, from), to, 0, listWindowMs)
  return windowsDownTo(from, Math.min(at ?? to, to), now, listWindowMs)
}

interface ExecutionListsDeps {
  readonly jobs: Collection<JobRecord>
  readonly executions: Collection<ExecutionRecord>
  readonly clock: Clock
}

/** `listSummaries` on the collection `executions`, of shared jobs by their index each. */
export function createExecutionLists({ jobs, executions, clock }: ExecutionListsDeps): ExecutionStore['listSummaries'] {
  /** What rows of one page have to do with: of the jobs that they name only what is asked for. */
  async function readJobs(found: readonly ExecutionRecord[], { fields, withJob }: ExecutionsQuery) {
    const wanted: (keyof JobRecord)[] = [
      ...(fields.includes('params') ? (['paramsBytes'] as const) : []),
      ...(withJob ? (['name', 'key', 'body'] as const) : []),
    ]
    const ids = [...new Set(found.map(({ jobId }) => jobId))]
    const byId = new Map<string, JobRecord>()
    if (wanted.length === 0) return byId
    for (const some of chunksOf(ids, queryJobs)) {
      const filter = { _id: where({ $in: some }) }
      const rows = await jobs.find('jobs.read', filter, { fields: ['_id', ...wanted], limit: some.length })
      for (const row of rows) byId.set(row._id, row)
    }
    return byId
  }

  /** The filters whose rows are the list: several, each with an index, for many jobs. */
  async function filtersOf(scope: ExecutionScope): Promise<readonly Filter[]> {
    if (scope === 'all') return [{}]
    if (!('viewerId' in scope)) return [scopeFilter(scope)]
    const filter = { viewerIds: scope.viewerId as never }
    const shared = await jobs.find('jobs.list', filter, {
      sort: { createdAt: -1, _id: -1 },
      limit: mostSharedJobs,
      fields: ['_id'],
    })
    return chunksOf(
      shared.map(({ _id }) => _id),
      queryJobs,
    ).map((ids) => ({ jobId: where<string>({ $in: ids }) }))
  }

  return async (scope, query) => {
    const { after, limit, isOldestFirst, fields } = query
    const filters = await filtersOf(scope)
    const [direction, sign] = isOldestFirst ? (['up', 1] as const) : (['down', -1] as const)
    const sort = { fireAt: sign, _id: sign } as const
    const inOrder = (a: ExecutionRecord, b: ExecutionRecord) => sign * (a.fireAt - b.fireAt || (a._id < b._id ? -1 : 1))
    const readWindow = async (window: Window, most: number) => {
      const bounds = { fireAt: within(window), ...beyond('fireAt', after, direction) }
      const options = { sort, limit: most, fields: summaryFields } as const
      const parts = await Promise.all(
        filters.map((filter) => executions.find('executions.list', { ...filter, ...bounds }, options)),
      )
      return parts.length === 1 ? (parts[0] ?? []) : parts.flat().toSorted(inOrder).slice(0, most)
    }
    const found = filters.length === 0 ? [] : await readWindows(windowsOf(query, clock.now()), limit, readWindow)
    const ofJobs = await readJobs(found, query)
    return found.map((record): ExecutionSummary => {
      const job = ofJobs.get(record.jobId)
      const summary = readSummary(record, job?.paramsBytes ?? 0, fields)
      return { ...summary, job: query.withJob && job ? readJob(job) : null }
    })
  }
}

function readJob({ name, key, body }: JobRecord): ExecutionSummary['job'] {
  return { name, key, tags: parseJobBody(body).tags ?? [] }
}

/** `countRunning` on the collection `executions`. */
export function createRunningCount(executions: Collection<ExecutionRecord>): ExecutionStore['countRunning'] {
  const isAtWork = { stage: where<string>({ $gte: '' }), status: 'RUNNING' as ExecutionStatus }
  return (ownerId, limit) => executions.count('executions.count', { ...isAtWork, ownerId }, limit)
}
