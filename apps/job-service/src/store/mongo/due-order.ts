import type { Clock } from '@belfry/service'
import { type Collection, where } from '@belfry/storage/mongo'
import { LRUCache } from 'lru-cache'
import type { DueJobSummary, DueJobsQuery, JobStore } from '../ports.ts'
import type { JobRecord } from './collections.ts'
import { never, readDueSummary, summaryFieldsOf } from './job-records.ts'
import type { KnownReader } from './known.ts'
import { beyond, readPosition, within } from './positions.ts'
import { readWindows, windowsUp } from './windows.ts'

/** How wide the first window of the list is, milliseconds. */
const windowMs = 60_000
/** Owners who are known to have no record without `dueFrom`. */
const ownersLimit = 10_000

export interface DueOrderDeps {
  readonly jobs: Collection<JobRecord>
  readonly known: KnownReader
  readonly clock: Clock
}

/**
 * The jobs of an owner in the order of their next runs. Records of before have no `dueFrom`: they come first, as if it were 0, until
 * `raiseDue` has given them one.
 */
export function createDueOrder({ jobs, known, clock }: DueOrderDeps): Pick<JobStore, 'listByDue' | 'raiseDue'> {
  const renewed = new LRUCache<string, true>({ max: ownersLimit })

  const readOld = async (ownerId: string, { after, limit, ...query }: DueJobsQuery) => {
    const [at = 0, id = ''] = after ? readPosition(after) : []
    if (at > 0 || renewed.has(ownerId)) return []
    const filter = {
      ownerId,
      state: 'active',
      dueFrom: where<number>({ $exists: false }),
      _id: where({ $gt: id }),
    } as const
    const fields = [...summaryFieldsOf({ after, limit, ...query }), 'version'] as const
    const found = await jobs.find('jobs.list', filter, { sort: { _id: 1 }, limit, fields })
    if (!after && found.length === 0) renewed.set(ownerId, true)
    return found
  }

  return {
    async listByDue(ownerId, query): Promise<DueJobSummary[]> {
      const { after, limit, until } = query
      const old = await readOld(ownerId, query)
      const from = after ? readPosition(after)[0] : 0
      const to = Math.min(until, never - 1)
      const fields = [...summaryFieldsOf(query), 'version', 'dueFrom'] as const
      const windows = from > to || old.length === limit ? [] : windowsUp(from, to, clock.now(), windowMs)
      const found = await readWindows(windows, limit - old.length, (window, most) => {
        const filter = { ownerId, dueFrom: within(window), ...beyond('dueFrom', after, 'up') }
        return jobs.find('jobs.list', filter, { sort: { dueFrom: 1, _id: 1 }, limit: most, fields })
      })
      const rows = [...old, ...found]
      const knownOf = await known.readExecutions(rows.map(({ _id }) => _id))
      return rows.map((record) => readDueSummary(record, knownOf(record._id), query))
    },
    async raiseDue(rows) {
      const changes = rows.map(({ rowId, version, dueFrom, next }) => ({
        id: String(rowId),
        guard: { version, dueFrom: dueFrom === 0 ? where<number>({ $exists: false }) : dueFrom },
        update: { $set: { dueFrom: next ?? never } },
      }))
      if (changes.length > 0) await jobs.updateEach('jobs.raise-due', changes)
    },
  }
}
