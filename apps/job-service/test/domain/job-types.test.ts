import type { JobType } from '@belfry/contracts'
import { expect, it } from 'vitest'
import { readJobTypes } from '../../src/domain/job-types.ts'

function jobType(type: string, params: Record<string, unknown>): JobType {
  const texts = { title: type, description: '' }
  return { type, ...texts, params, result: {}, paramWarnings: [], timeoutMs: 1000, examples: [] }
}

it.each([
  ['is no schema', { type: 'object', properties: 5 }],
  ['names a type that there is not', { type: 'nonsense' }],
  ['refers to what is not there', { $ref: 'https://schemas.example/none' }],
])('a job type whose schema %s takes all params, and the others are checked', (_, schema) => {
  const types = readJobTypes([jobType('BAD', schema), jobType('GOOD', { type: 'object', required: ['a'] })])
  expect(types.get('BAD')?.checkParams({ a: 1 })).toEqual([])
  expect(types.get('GOOD')?.checkParams({})).toMatchObject([{ pointer: '/params/a', code: 'required' }])
})

it('a pattern that is none is not checked, and the rest of its schema is', () => {
  const text = { type: 'string', pattern: '(' }
  const types = readJobTypes([jobType('BAD', { type: 'object', properties: { a: text, b: { type: 'string' } } })])
  expect(types.get('BAD')?.checkParams({ a: 'any' })).toEqual([])
  expect(types.get('BAD')?.checkParams({ a: 'any', b: 1 })).toMatchObject([
    { pointer: '/params/b', code: 'wrong-type' },
  ])
})
