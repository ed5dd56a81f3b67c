import { type ListScope, type Refusal, type Role, refusal } from '@belfry/contracts'
import type { Job } from './job.ts'

/** Who calls, as far as it decides what is in reach. */
export interface Caller {
  readonly userId: string
  readonly roles: readonly Role[]
}

/**
 * What a caller may do with a job and with its executions, all of which see their metadata: status, times, names, errors.
 * `seesDetails`: also params, results, logs and artifacts. `mayOperate`: pause, resume, cancel, retry, redrive. `mayChange`: everything.
 */
export interface Rights {
  readonly seesDetails: boolean
  readonly mayOperate: boolean
  readonly mayChange: boolean
}

/** Whose jobs a list shows: those of an owner, those that name a viewer, or all. */
export type JobScope = { readonly ownerId: string } | { readonly viewerId: string } | 'all'

/** What a call needs of a job. */
export type Need = 'see' | 'details' | 'operate' | 'change'

/** What an owner may do with what is its own. */
export const ownersRights: Rights = { seesDetails: true, mayOperate: true, mayChange: true }

/** What an operator may do with what belongs to others. */
export const operatorsRights: Rights = { seesDetails: false, mayOperate: true, mayChange: false }
export const noRights: Rights = { seesDetails: false, mayOperate: false, mayChange: false }

/** A caller without a role: what belongs to this user is in reach, and nothing else. */
export const asOwner = (userId: string): Caller => ({ userId, roles: [] })

/** Operators, and admins, who are operators too. */
export function isOperator({ roles }: Pick<Caller, 'roles'>): boolean {
  return roles.includes('operator') || roles.includes('admin')
}

/** The rights of a caller; null where the job is not there for the caller (404, docs/guide/auth-and-roles.md). */
export function rightsOf(caller: Caller, { ownerId, viewers }: Pick<Job, 'ownerId' | 'viewers'>): Rights | null {
  if (caller.userId === ownerId) return ownersRights
  const isViewer = viewers.some(({ id }) => id === caller.userId)
  const mayOperate = isOperator(caller)
  return isViewer || mayOperate ? { seesDetails: isViewer, mayOperate, mayChange: false } : null
}

const ownerOnly = refusal('forbidden', 'Only the owner of the job may do this.')
const operatorsToo = refusal(
  'forbidden',
  'The job is shared with you for reading: its owner and operators may do this.',
)
const noDetails = refusal(
  'forbidden',
  'Params, results, logs and artifacts are for the owner of the job and its viewers.',
)

/** Null where the rights are enough; a refusal names what is missing to a caller that sees the job. */
export function checkNeed({ seesDetails, mayOperate, mayChange }: Rights, need: Need): Refusal | null {
  if (need === 'details') return seesDetails ? null : noDetails
  if (need === 'operate') return mayOperate ? null : operatorsToo
  return need === 'see' || mayChange ? null : ownerOnly
}

const operatorsOnly = refusal('forbidden', 'The jobs and executions of all users are for operators.', {
  errors: [{ pointer: '?scope', code: 'forbidden', detail: 'must be own or shared' }],
})

/** Whose records a list shows to a caller: its own, those that it is a viewer of, or, to operators, those of all users. */
export function scopeOf(caller: Caller, scope: ListScope): JobScope | Refusal {
  if (scope === 'shared') return { viewerId: caller.userId }
  if (scope === 'own') return { ownerId: caller.userId }
  return isOperator(caller) ? 'all' : operatorsOnly
}

const ownOnly = refusal('forbidden', 'The records of another user are for operators.', {
  errors: [{ pointer: '?ownerId', code: 'forbidden', detail: 'must be your own id, or left out' }],
})

/** Whose records a list shows that names an owner: the caller's own without one; those of another user are for operators. */
export function ownerOf(caller: Caller, ownerId: string | undefined): { readonly ownerId: string } | Refusal {
  if (ownerId === undefined || ownerId === caller.userId) return { ownerId: caller.userId }
  return isOperator(caller) ? { ownerId } : ownOnly
}
