import type { JobVersionsPage } from '@belfry/contracts'
import { type MongoDatabase, where } from '@belfry/storage/mongo'
import type { JobStore } from '../ports.ts'
import { type JobRecord, jobsCollection, summariesCollection } from './collections.ts'
import { within } from './positions.ts'
import { everything, readWindows, windowsUp } from './windows.ts'

/** `JobStore.listChanges` on the collections `jobs` and `summaries`. */
export function createChangesReader(db: MongoDatabase): JobStore['listChanges'] {
  const jobs = db.collection(jobsCollection)
  const summaries = db.collection(summariesCollection)

  /** Those among these that are one-shots and were over by then (domain/retention.ts). */
  async function readOver(found: readonly JobRecord[], unlistedBefore: number): Promise<Set<string>> {
    const candidates = new Map(
      found.flatMap((one) => {
        const { _id, state, runAt, changedAt, unpublishedAt } = one
        const mayBe = state === 'active' && runAt !== null && unpublishedAt === undefined
        return mayBe && Math.max(runAt, changedAt) < unlistedBefore ? [[_id, runAt] as const] : []
      }),
    )
    if (candidates.size === 0) return new Set()
    const filter = { _id: where({ $in: [...candidates.keys()] }) }
    const progress = await summaries.find('summaries.read', filter, { limit: candidates.size })
    const isOver = progress.filter(({ _id, last, scheduledAt = -1 }) => {
      const newestAt = Math.max(last?.fireAt ?? -1, scheduledAt)
      return newestAt >= (candidates.get(_id) ?? Number.POSITIVE_INFINITY)
    })
    return new Set(isOver.map(({ _id }) => _id))
  }

  return async ({ after, limit, unlistedBefore }) => {
    const head = await db.newestNumber('jobs')
    const rows: JobVersionsPage['data'][number][] = []
    const fields = ['_id', 'version', 'changeNo', 'state', 'runAt', 'changedAt', 'unpublishedAt'] as const
    for (let from = after + 1; ; ) {
      const found = await readWindows(windowsUp(from, everything.to, from, limit), limit, (window, most) =>
        jobs.find('jobs.changes', { changeNo: within(window) }, { sort: { changeNo: 1 }, limit: most, fields }),
      )
      const isOver = await readOver(found, unlistedBefore)
      const listed = found.filter((one) => !isOver.has(one._id))
      rows.push(...listed.map(({ _id: id, version, changeNo }) => ({ id, version, changeNo })))
      const last = found.length === limit ? found.at(-1) : undefined
      const hasMore = last !== undefined || rows.length > limit
      if (!last || rows.length >= limit) return { rows: rows.slice(0, limit), head, hasMore }
      from = last.changeNo + 1
    }
  }
}
