import { setImmediate } from 'node:timers/promises'
import { deriveNextRunAt, statusInputOf } from '../domain/status.ts'
import type { DueJobSummary, ListedJob, RaisedDue } from '../store/ports.ts'
import { fitting, type JobFilter, type ListJobsContext, readListed, stillFitting } from './list-jobs.ts'
import { type PageRequest, type Rows, readPage } from './scan-list.ts'

/** Next fire times that are computed before other work gets its turn. */
const slice = 100

/**
 * `GET /jobs?sort=nextRunAt`: the owner's jobs that fit the filter and run at `until` or before, next run first. The store has a lower
 * bound of each next run: of the jobs whose bound has passed the list computes the next run on the way, and stores it as the new bound, so
 * that each is met again at its place. A one-shot whose time has come and that waits keeps its own.
 */
export function listByNextRun(
  context: ListJobsContext,
  ownerId: string,
  { until, ...filter }: JobFilter & { readonly until: number },
  page: PageRequest,
): Promise<Rows<ListedJob>> {
  const { jobs } = context.stores
  const withTags = filter.tag !== undefined
  return readPage<DueJobSummary, ListedJob>(context.config, page, {
    list: (query) => jobs.listByDue(ownerId, { ...query, until, withTags }),
    fits: fitting(filter),
    async move(rows) {
      const raised = await findRaised(context, rows)
      if (raised.length > 0) await jobs.raiseDue(raised)
      return rows.findIndex(({ rowId }) => rowId === raised[0]?.rowId)
    },
    read: (rowIds) => readListed(context, rowIds, page.fields),
    stillFits: stillFitting(filter),
  })
}

/** Those whose next run lies later than the stored bound, or that have none; in the order of the rows. */
async function findRaised(context: ListJobsContext, rows: readonly DueJobSummary[]): Promise<RaisedDue[]> {
  const { stores, schedules, clock } = context
  const now = clock.now()
  const passed = rows.filter(({ dueFrom }) => dueFrom <= now)
  const jobs = await stores.jobs.readMany(
    passed.map(({ rowId }) => rowId),
    [],
  )
  const raised: RaisedDue[] = []
  for (const [index, { rowId, version, dueFrom }] of passed.entries()) {
    if (index % slice === slice - 1) await setImmediate()
    const job = jobs[index]
    if (job?.version !== version) continue
    const after = (at: number) => schedules.next(job, at)
    const next = deriveNextRunAt(job.spec.schedule, statusInputOf(job), job.known, now, after)
    if (next === null || next > dueFrom) raised.push({ rowId, version, dueFrom, next })
  }
  return raised
}
