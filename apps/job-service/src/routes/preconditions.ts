import { type Refusal, refusal } from '@belfry/contracts'
import type { FastifyRequest } from 'fastify'
import type { Precondition } from '../domain/precondition.ts'

/** RFC 9110, 8.8.3 and 13.1.1: entity tags with commas between. A tag may hold a comma, and no space. */
const entityTag = /(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g
const tagList = new RegExp(`^${entityTag.source}(?:\\s*,\\s*${entityTag.source})*$`)
/** The version of one of our tags, with what may follow it: `"7"`, `W/"7.3f2a"`. */
const versionTag = /^([1-9]\d{0,14})(?:\..*)?$/

const malformed = refusal('malformed-request', 'If-Match cannot be read.', {
  errors: [
    { pointer: 'If-Match', code: 'bad-format', detail: 'must be *, or entity tags such as "7" with commas between' },
  ],
})

/** What the header `If-Match` asks for. A tag that is none of ours names no version. */
export function readPrecondition({ headers }: Pick<FastifyRequest, 'headers'>): Precondition | Refusal {
  const given = headers['if-match']?.trim()
  if (given === undefined) return null
  if (given === '*') return 'any'
  if (!tagList.test(given)) return malformed
  return [...given.matchAll(entityTag)].flatMap(([, tag = '']) => {
    const version = versionTag.exec(tag)?.[1]
    return version === undefined ? [] : [Number(version)]
  })
}

const notAnyMalformed = refusal('malformed-request', 'If-None-Match cannot be taken here.', {
  errors: [{ pointer: 'If-None-Match', code: 'not-allowed', detail: 'must be *: make a job only where there is none' }],
})

/** Whether `If-None-Match: *` asks for a new job alone (RFC 9110, 13.1.2). Entity tags are refused: no call needs them. */
export function readMustBeNew({ headers }: Pick<FastifyRequest, 'headers'>): boolean | Refusal {
  const given = headers['if-none-match']?.trim()
  if (given === undefined) return false
  return given === '*' ? true : notAnyMalformed
}
