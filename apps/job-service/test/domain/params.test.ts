import { describe, expect, it } from 'vitest'
import { compileParamsCheck } from '../../src/domain/params.ts'

describe('params against the schema of their type', () => {
  const check = compileParamsCheck({
    type: 'object',
    properties: {
      url: { type: 'string', format: 'uri' },
      at: { type: 'string', format: 'date-time' },
      day: { type: 'string', format: 'date' },
      method: { enum: ['GET', 'POST'] },
      size: { type: 'integer', minimum: 1, default: 7 },
      'a/b': { type: 'object', properties: { '~': { type: 'string' } }, required: ['~'] },
      either: { anyOf: [{ type: 'number' }, { type: 'array', items: { type: 'integer' } }] },
    },
    required: ['url'],
    additionalProperties: false,
  })
  const url = 'https://example.com'

  it.each([
    [{ url }, []],
    [{ url, method: 'POST', size: 3, at: '2026-12-01T09:00:00Z', day: '2026-12-01', either: [1] }, []],
    [{}, [['/params/url', 'required']]],
    [{ url: 'nowhere' }, [['/params/url', 'bad-format']]],
    [{ url, at: 'tomorrow' }, [['/params/at', 'bad-format']]],
    [{ url, day: '2026-02-30' }, [['/params/day', 'bad-format']]],
    [{ url, size: '3' }, [['/params/size', 'wrong-type']]],
    [{ url, size: 0 }, [['/params/size', 'too-small']]],
    [{ url, methud: 'GET' }, [['/params/methud', 'unknown-field']]],
    [{ url, 'a/b': {} }, [['/params/a~1b/~0', 'required']]],
    [
      { size: 0, method: 'GOT' },
      [
        ['/params/url', 'required'],
        ['/params/method', 'not-allowed'],
        ['/params/size', 'too-small'],
      ],
    ],
  ])('%j', (params, issues) => {
    expect(check(params).map((issue) => [issue.pointer, issue.code])).toEqual(issues)
  })

  it('suggests the param or the value that was meant', () => {
    expect(check({ url, methud: 'GET' })[0]?.suggestion).toBe('method')
    expect(check({ url, method: 'GTE' })[0]?.suggestion).toBe('GET')
  })

  it('leaves the params as they are: no defaults, no coercion', () => {
    const params = { url }
    check(params)
    expect(params).toEqual({ url })
  })

  it('gives an issue also when only a choice as a whole fails', () => {
    expect(check({ url, either: 'x' }).length).toBeGreaterThan(0)
  })

  it.each([{ required: 'url' }, { properties: { url: 7 } }, { type: 'text' }, { enum: {} }])(
    'are not checked against %j, which is no schema',
    (schema) => {
      expect(() => compileParamsCheck(schema)).toThrow('data')
    },
  )

  it('answers many issues with the first ones', () => {
    const strange = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`x${n}`, 1]))
    expect(check({ url, ...strange }).length).toBe(50)
  })
})
