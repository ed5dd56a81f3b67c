import { type FireLogPosition, type FireLogReply, isRefusal, type Refusal } from '@belfry/contracts'
import type { Execution } from '../domain/execution.ts'
import { type Caller, noRights, type Rights, rightsOf } from '../domain/reach.ts'
import type { ExecutionSummary, ListPosition } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJobOrTombstone } from './find-job.ts'

/** How far a page has come in both lists; null: nothing of it was shown. */
export interface HistoryPosition {
  readonly execution: ListPosition | null
  readonly range: FireLogPosition | null
}

type Range = FireLogReply['data'][number]

/** An execution, or a range of fire times without one; `position`: the page that goes on behind it. */
export type HistoryRow = { readonly position: HistoryPosition } & (
  | { readonly execution: Execution }
  | { readonly range: Range }
)

export interface History {
  readonly rows: readonly HistoryRow[]
  readonly next: HistoryPosition | null
  /** What the caller may do with the job. */
  readonly rights: Rights
}

type Entry = { readonly at: number } & ({ readonly summary: ExecutionSummary } | { readonly range: Range })

/**
 * `GET /jobs/:id/history`, also of a deleted job: its executions, and what the scheduler has logged of fire times without one, as one
 * list. Newest first, by the fire time of an execution and the first one of a range.
 */
export async function listHistory(
  context: Pick<JobContext, 'stores' | 'scheduler'>,
  { caller, ref }: { readonly caller: Caller; readonly ref: string },
  { limit, after }: { readonly limit: number; readonly after: HistoryPosition },
): Promise<History | Refusal> {
  const { stores, scheduler } = context
  const { executions } = stores
  const job = await findJobOrTombstone(context, caller, ref)
  if (isRefusal(job)) return job
  const [summaries, ranges] = await Promise.all([
    executions.listSummaries({ jobRowId: job.rowId }, { after: after.execution, limit: limit + 1, fields: [] }),
    scheduler.fireLog(job.id, limit + 1, after.range),
  ])
  const entries = merge(summaries, ranges)
  const shown = entries.slice(0, limit)
  const read = await executions.readMany(
    shown.flatMap((entry) => ('summary' in entry ? [entry.summary.rowId] : [])),
    [],
  )
  const byId = new Map(read.flatMap((one) => (one ? [[one.id, one] as const] : [])))
  const rows: HistoryRow[] = []
  let position = after
  for (const entry of shown) {
    if ('range' in entry) {
      const { from, decision } = entry.range
      position = { ...position, range: { from, decision } }
      rows.push({ position, range: entry.range })
      continue
    }
    position = { ...position, execution: entry.summary.position }
    const execution = byId.get(entry.summary.id)
    // One that retention has removed in between is left out.
    if (execution) rows.push({ position, execution })
  }
  return { rows, next: entries.length > limit ? position : null, rights: rightsOf(caller, job) ?? noRights }
}

/** Both lists are newest first. */
function merge(summaries: readonly ExecutionSummary[], ranges: readonly Range[]): Entry[] {
  const entries: Entry[] = [
    ...summaries.map((summary) => ({ at: summary.fireAt, summary })),
    ...ranges.map((range) => ({ at: range.from, range })),
  ]
  return entries.sort((a, b) => b.at - a.at)
}
