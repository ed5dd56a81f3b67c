import { isRefusal, type JobsQuery, latestAt, type Refusal, refusal } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { type Caller, type JobScope, ownerOf, scopeOf } from '../domain/reach.ts'
import type { JobFilter } from '../use-cases/list-jobs.ts'
import { momentOf } from './query-times.ts'

/** What a query of `GET /jobs` asks for. `until`: the list is in the order of the next runs, up to this moment, epoch milliseconds. */
type AskedList =
  | { readonly filter: JobFilter; readonly scope: JobScope; readonly until: null }
  | { readonly filter: JobFilter; readonly scope: { readonly ownerId: string }; readonly until: number }

function misfit(pointer: string, detail: string): Refusal {
  const errors = [{ pointer, code: 'bad-combination', detail }]
  return refusal('malformed-request', 'The parameters of the list do not fit each other.', { errors })
}

/** Whose jobs, which of them, and in which order; a refusal for parameters that exclude each other, and for what is not the caller's. */
export function readList(caller: Caller, query: JobsQuery, clock: Clock): AskedList | Refusal {
  const { status, jobType, tag, q, ownerId, sort, nextRunBefore } = query
  if (ownerId !== undefined && query.scope !== 'own') return misfit('?scope', 'names other jobs than ownerId does')
  const filter = {
    ...{ status, jobType, tag, q },
    createdFrom: momentOf(query.from, clock),
    createdTo: momentOf(query.to, clock),
  }
  const owner = ownerOf(caller, ownerId)
  if (isRefusal(owner)) return owner
  if (nextRunBefore === undefined && sort !== 'nextRunAt') {
    const scope = ownerId === undefined ? scopeOf(caller, query.scope) : owner
    return isRefusal(scope) ? scope : { filter, scope, until: null }
  }
  if (sort === '-createdAt') return misfit('?sort', 'must be nextRunAt beside nextRunBefore')
  if (query.scope !== 'own') return misfit('?scope', 'must be own in the order of the next runs')
  return { filter, scope: owner, until: momentOf(nextRunBefore, clock) ?? latestAt }
}
