import { type ExecutionsOfJobQuery, type ExecutionsQuery, isRefusal, type Refusal, refusal } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { Execution } from '../domain/execution.ts'
import {
  type Caller,
  isOperator,
  operatorsRights,
  ownerOf,
  ownersRights,
  type Rights,
  scopeOf,
} from '../domain/reach.ts'
import type { ExecutionScope } from '../store/ports.ts'
import type { ExecutionFilter } from '../use-cases/list-executions.ts'
import { momentOf } from './query-times.ts'

/** What a query of a list of executions asks for. */
export function executionFilterOf(
  { status, jobType, from, to, sort }: ExecutionsOfJobQuery,
  clock: Clock,
): ExecutionFilter {
  return { status, jobType, from: momentOf(from, clock), to: momentOf(to, clock), isOldestFirst: sort === 'fireAt' }
}

/** What a query of `GET /executions` asks for. */
interface AskedExecutions {
  readonly scope: ExecutionScope
  readonly filter: ExecutionFilter
  /** Whether the caller sees params and results of every row. */
  readonly seesDetails: boolean
  /** What the caller may do with a row. */
  readonly rightsTo: (execution: Execution) => Rights
}

const onlyOne = refusal('malformed-request', 'The parameters of the list do not fit each other.', {
  errors: [{ pointer: '?scope', code: 'bad-combination', detail: 'names other executions than ownerId does' }],
})

/** Whose executions, which of them, and in which order; a refusal for parameters that exclude each other, and for what is not the caller's. */
export function readExecutionList(caller: Caller, query: ExecutionsQuery, clock: Clock): AskedExecutions | Refusal {
  const { ownerId, tag, q } = query
  if (ownerId !== undefined && query.scope !== 'own') return onlyOne
  const scope = ownerId === undefined ? scopeOf(caller, query.scope) : ownerOf(caller, ownerId)
  if (isRefusal(scope)) return scope
  const filter = { ...executionFilterOf(query, clock), tag, q }
  const asViewer: Rights = { seesDetails: true, mayOperate: isOperator(caller), mayChange: false }
  const others = query.scope === 'shared' ? asViewer : operatorsRights
  const rightsTo = (one: Execution) => (one.ownerId === caller.userId ? ownersRights : others)
  const isOwn = scope !== 'all' && 'ownerId' in scope && scope.ownerId === caller.userId
  return { scope, filter, seesDetails: isOwn || query.scope === 'shared', rightsTo }
}
