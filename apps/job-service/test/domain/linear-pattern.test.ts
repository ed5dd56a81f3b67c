import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileLinearPattern } from '../../src/domain/linear-pattern.ts'
import { compileParamsCheck, compileParamWarnings } from '../../src/domain/params.ts'

/** Patterns that handlers have; the last is that of zod's `email`. */
const patterns = [
  '^a+$',
  'b',
  '^[^\\s/?#@]+(?:[/?#]\\S*)?$',
  '^a.c$',
  '^[[:a]$',
  '^[\\]\\[]a$',
  '^\\u0061[\\u{62}-c]$',
  '^(?!a|b)[a-z]+$',
  '^(?!\\.)(?=a)(?!.*\\.\\.).+$',
  '^(?<name>a)|b$',
  '^[^]{2}$',
  "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$",
]
const text = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.string({ unit: fc.constantFrom(...'abc.[]:@/ \n\r\u2028\u00a0\ufeffé😀'), maxLength: 6 }),
)

describe('patterns of params', () => {
  it.each(patterns)('%s finds what a native expression finds', (pattern) => {
    const [native, linear] = [new RegExp(pattern, 'u'), compileLinearPattern(pattern)]
    fc.assert(
      fc.property(text, (one) => linear.test(one) === native.test(one)),
      { numRuns: 2000 },
    )
  })

  it.each(['^(?!a)b|c$', '(a)\\1', 'a(?!b)', '(?<=a)b', '^(?!a)*b', '[\\S]', 'a{1001}', '('])(
    '%s is left to the executor',
    (pattern) => {
      expect(() => compileLinearPattern(pattern)).toThrow()
      const check = compileParamsCheck({ properties: { text: { pattern }, size: { type: 'number' } } })
      expect(check({ text: 'anything', size: 'x' }).map((issue) => issue.pointer)).toEqual(['/params/size'])
    },
  )

  it.each(['^(a+)+$', '^(a|a)*$', '(a*)*b', '^(?!(a+)+$)b', '(x+x+)+y', '^(([a-z])+.)+[A-Z]([a-z])+$'])(
    '%s takes no longer for a text that fits badly',
    (pattern) => {
      const check = compileParamsCheck({ properties: { text: { type: 'string', pattern } } })
      const usedBefore = process.cpuUsage()
      check({ text: `${'a'.repeat(200_000)}!` })
      const { user, system } = process.cpuUsage(usedBefore)
      // A native expression takes longer than the age of the universe.
      expect((user + system) / 1000).toBeLessThan(2000)
    },
  )

  it('tells the patterns of one schema apart', () => {
    const properties = { a: { pattern: '^a$' }, b: { pattern: '^b$' } }
    const check = compileParamsCheck({ properties, patternProperties: { '^c': { pattern: '^c$' } } })
    expect(check({ a: 'a', b: 'b', c: 'c' })).toEqual([])
    expect(check({ a: 'b', b: 'a', c: 'a' }).map(({ pointer }) => pointer)).toEqual([
      '/params/a',
      '/params/b',
      '/params/c',
    ])
  })

  it('warn in any case, and in linear time', () => {
    const warn = { code: 'w', detail: 'd' }
    const warningsOf = compileParamWarnings([
      { param: 'a', pattern: '^(x+)+$', ...warn },
      { param: 'b', pattern: '^(?=y)', ...warn },
      { param: 'a', pattern: '(?<=x)', ...warn },
    ])
    expect(warningsOf({ a: `${'x'.repeat(100_000)}!`, b: 'n' })).toEqual([])
    expect(warningsOf({ a: 'XX', b: 'Y' })).toHaveLength(2)
  })
})
