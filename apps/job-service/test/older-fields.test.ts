import { describe, expect, it } from 'vitest'
import { inOwnFields } from '../src/routes/older-fields.ts'

const job = { jobType: 'DUMMY' }

describe('fields of the systems before Belfry', () => {
  it.each([
    ['null', null, {}],
    ['an object', { a: 1 }, { payload: { a: 1 } }],
    ['JSON', '{"a": [1]}', { payload: { a: [1] } }],
    ['JSON of a text', '"a"', { payload: 'a' }],
    ['another text', 'a: 1', { payload: 'a: 1' }],
    ['an empty text', '', { payload: '' }],
    ['JSON that no body may hold', '{"__proto__": {}}', { payload: '{"__proto__": {}}' }],
  ])('takes a payload that is %s', (_what, payload, params) => {
    expect(inOwnFields({ ...job, payload })).toEqual({ ...job, params })
  })

  it('puts the payload beside other params', () => {
    expect(inOwnFields({ ...job, payload: 'x', params: { fail: 1 } })).toEqual({
      ...job,
      params: { fail: 1, payload: 'x' },
    })
  })

  it.each([
    ['two payloads', { ...job, payload: 1, params: { payload: 2 } }],
    ['params that are no object', { ...job, payload: 1, params: [] }],
    ['a command with a job type', { ...job, command: 'backup' }],
    ['a command that is no text', { command: 1 }],
    ['a command with params', { command: 'backup', params: {} }],
    ['a list', [job]],
    ['nothing', undefined],
    ['a body of today', { ...job, params: { durationMs: 1 } }],
  ])('leaves %s to the schema', (_what, body) => {
    expect(inOwnFields(body)).toBe(body)
  })

  it('makes a COMMAND job of a command and its time', () => {
    const asked = { command: 'backup', executionTime: '2026-12-01T09:00:00' }
    const params = { command: 'backup' }
    expect(inOwnFields(asked)).toEqual({ jobType: 'COMMAND', params, scheduledTime: asked.executionTime })
    expect(inOwnFields({ command: 'backup' })).toEqual({ jobType: 'COMMAND', params })
  })
})
