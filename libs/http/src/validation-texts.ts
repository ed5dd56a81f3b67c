import type { z } from 'zod'

/** The texts of validation issues in answers: one code and one sentence for each kind of issue. */
export const isMissing = 'is missing'

const kinds: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}

function sizeText(origin: string, bound: string, size: number | bigint): string {
  if (origin === 'string') return `must have ${bound} ${size} character${size === 1 ? '' : 's'}`
  if (origin === 'array') return `must have ${bound} ${size} item${size === 1 ? '' : 's'}`
  return `must be ${bound} ${size}`
}

/** The issue as a sentence whose subject is the field. A schema's own message takes precedence. */
export function describe(issue: z.core.$ZodRawIssue): string {
  const isAbsent = issue.input === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value')
  if (isAbsent) return isMissing
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${kinds[issue.expected] ?? issue.expected}`
    case 'too_small':
      return sizeText(issue.origin, 'at least', issue.minimum)
    case 'too_big':
      return sizeText(issue.origin, 'at most', issue.maximum)
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`
    case 'invalid_format':
      return 'does not have the right form'
    default:
      return 'is not valid'
  }
}

const codes: Record<string, string> = {
  invalid_type: 'wrong-type',
  invalid_value: 'not-allowed',
  invalid_format: 'bad-format',
  custom: 'bad-format',
}

/** The code of the issue, for programs. A schema's own rule may name one in the `params` of its issue. */
export function codeOf(issue: z.core.$ZodIssue): string {
  if (issue.message === isMissing) return 'required'
  if (issue.code === 'custom' && typeof issue.params?.code === 'string') return issue.params.code
  if (issue.code === 'too_small') return issue.origin === 'string' ? 'too-short' : 'too-small'
  if (issue.code === 'too_big') return issue.origin === 'string' ? 'too-long' : 'too-large'
  return codes[issue.code] ?? 'invalid'
}
