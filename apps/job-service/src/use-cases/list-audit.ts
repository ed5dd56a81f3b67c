import {
  type AuditListBody,
  type AuditListReply,
  isRefusal,
  jobIdPattern,
  type Refusal,
  refusal,
  type ServiceName,
} from '@belfry/contracts'
import type { AuditSource } from '../clients/audit.ts'
import { type Caller, isOperator } from '../domain/reach.ts'
import type { JobContext } from './context.ts'
import { findJobOrTombstone } from './find-job.ts'

/** Where a page goes on in each log: below a number; null: from the newest on; 0: that log has ended. */
export type AuditPosition = readonly (number | null)[]

export type AuditRow = AuditListReply['data'][number] & { readonly service: ServiceName }

export interface AuditFilter {
  readonly actor?: string | undefined
  readonly action?: string | undefined
  readonly target?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

export interface AuditRows {
  /** Newest first, each with the position that goes on after it. */
  readonly rows: readonly { readonly row: AuditRow; readonly position: AuditPosition }[]
  readonly next: AuditPosition | null
}

const othersAreHidden = refusal('forbidden', 'The requests of other users are for operators.', {
  errors: [{ pointer: '?actor', code: 'forbidden', detail: 'must be your own id, or be left out' }],
})

type Scope = Pick<AuditListBody, 'actorId' | 'target'>

/** The requests that the caller may see: its own, and those about a job that it sees; operators see all. */
async function scopeOf(
  context: Pick<JobContext, 'stores'>,
  caller: Caller,
  { actor, target }: AuditFilter,
): Promise<Scope | Refusal> {
  const about = target === undefined ? {} : { target }
  if (isOperator(caller)) return { ...(actor !== undefined && { actorId: actor }), ...about }
  const isJob = target !== undefined && jobIdPattern.test(target)
  const seesAll = isJob && !isRefusal(await findJobOrTombstone(context, caller, target))
  if (seesAll) return { ...(actor !== undefined && { actorId: actor }), ...about }
  if (actor !== undefined && actor !== caller.userId) return othersAreHidden
  return { actorId: caller.userId, ...about }
}

/**
 * `GET /audit`: the logs of all services as one list, newest first. The order holds within a page; a page of a filtered list may be
 * short although more follow.
 */
export async function listAudit(
  context: Pick<JobContext, 'stores'>,
  sources: readonly AuditSource[],
  caller: Caller,
  filter: AuditFilter,
  { limit, after }: { readonly limit: number; readonly after: AuditPosition | null },
): Promise<AuditRows | Refusal> {
  const scope = await scopeOf(context, caller, filter)
  if (isRefusal(scope)) return scope
  const { action, from, to } = filter
  const times = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
  const query = { ...scope, ...(action !== undefined && { action }), ...times, limit }
  const start = sources.map((_, index): number | null => {
    const below = after?.[index]
    return after && below === undefined ? 0 : (below ?? null)
  })
  const pages = await Promise.all(
    sources.map(({ list }, index) => {
      const before = start[index] ?? null
      return before === 0 ? { data: [], next: null } : list({ ...query, before })
    }),
  )
  return merge(sources, pages, start, limit)
}

function merge(
  sources: readonly AuditSource[],
  pages: readonly AuditListReply[],
  start: AuditPosition,
  limit: number,
): AuditRows {
  const found = pages.flatMap(({ data }, index) =>
    data.map((row) => ({ index, row: { ...row, service: sources[index]?.service as ServiceName } })),
  )
  const shown = found.sort((a, b) => b.row.at - a.row.at || b.row.n - a.row.n).slice(0, limit)
  const position = [...start]
  const rows = shown.map(({ index, row }) => {
    position[index] = row.n
    return { row, position: [...position] }
  })
  // A log of which all rows are shown goes on where its own page ends.
  for (const [index, { data, next }] of pages.entries()) {
    const isWhole = shown.filter((one) => one.index === index).length === data.length
    if (isWhole) position[index] = next ?? 0
  }
  return { rows, next: position.every((below) => below === 0) ? null : position }
}
