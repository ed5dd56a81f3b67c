import { type Refusal, refusal, type ValidationIssue } from '@belfry/contracts'
import type { Job } from './job.ts'

/** What `If-Match` asks for: any version, one of these, or (null) nothing. */
export type Precondition = 'any' | readonly number[] | null

/**
 * Null when the job is at a version that the caller asked for. Else the refusal names what differs between what the caller wants and
 * what is stored (`differences`); where that is nothing, the versions.
 */
export function checkVersion(
  asked: Precondition,
  { version }: Pick<Job, 'version'>,
  differences: readonly ValidationIssue[] = [],
): Refusal | null {
  if (asked === null || asked === 'any' || asked.includes(version)) return null
  const wanted = asked.length === 0 ? 'no version of it' : `version ${asked.join(' or ')}`
  const detail = `If-Match names ${wanted}, the job is at version ${version}`
  const errors = differences.length > 0 ? differences : [{ pointer: '/version', code: 'differs', detail }]
  return refusal('version-mismatch', detail, { errors })
}

/** There is no job, so there is no version that the caller could have asked for (RFC 9110, 13.1.1). */
export const noVersionYet = refusal('version-mismatch', 'If-Match names a version, and there is no such job', {
  errors: [{ pointer: '/version', code: 'differs', detail: 'there is no job yet' }],
})

/** There is a job, and the caller asked for a new one alone (RFC 9110, 13.1.2). */
export const isThereAlready = refusal(
  'version-mismatch',
  'If-None-Match asks for a new job, and there is one already',
  {
    errors: [{ pointer: 'If-None-Match', code: 'differs', detail: 'there is a job with this key' }],
  },
)
