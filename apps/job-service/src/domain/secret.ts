import { isRefusal, type Refusal, refusal, type SecretReference, type ValidationIssue } from '@belfry/contracts'
import { nearestName } from '@belfry/service'

/** A secret of a user. Times are epoch milliseconds. */
export interface Secret {
  readonly ownerId: string
  /** Unique among those of its owner. */
  readonly name: string
  /** The value, sealed for `purposeOf` (domain/sealing.ts). */
  readonly sealed: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** What the value of a secret is sealed for: a sealed text that is copied to another owner or name does not open. */
export function purposeOf({ ownerId, name }: Pick<Secret, 'ownerId' | 'name'>): string {
  return `secret ${ownerId} ${name}`
}

function issueOf({ pointer, name }: SecretReference, known: readonly string[]): ValidationIssue | null {
  const at = `/params${pointer}`
  if (name === null) {
    const detail = 'has a reference that is not {{secret:NAME}} with the name of a secret'
    return { pointer: at, code: 'bad-format', detail }
  }
  if (known.includes(name)) return null
  const nearest = nearestName(name, known)
  const suggestion = nearest && { suggestion: `{{secret:${nearest}}}` }
  return {
    pointer: at,
    code: 'unknown-secret',
    detail: `there is no secret "${name}" of the job's owner`,
    ...suggestion,
  }
}

/** What is wrong with the references of params, where their owner has the secrets `known`. */
export function referenceIssues(references: readonly SecretReference[], known: readonly string[]): ValidationIssue[] {
  return references.flatMap((one) => issueOf(one, known) ?? [])
}

/** What was read of a body, refused for these issues too: one answer names all. */
export function withIssues<T>(read: T | Refusal, issues: readonly ValidationIssue[]): T | Refusal {
  if (issues.length === 0) return read
  if (!isRefusal(read)) return refusal('impossible', 'the job cannot run as it is', { errors: issues })
  return read.code === 'impossible' ? { ...read, errors: [...(read.errors ?? []), ...issues] } : read
}
