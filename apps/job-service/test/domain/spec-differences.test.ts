import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { specDifferences } from '../../src/domain/spec-differences.ts'
import { jobOf } from '../fixtures.ts'

const { spec } = jobOf()
const withParams = (params: Record<string, unknown>) => ({ ...spec, params })

describe('the differences of two specs', () => {
  it('are none once a spec has been stored, and none for another order of fields', () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue())
    fc.assert(
      fc.property(json, (params) => {
        const stored = JSON.parse(JSON.stringify(params)) as Record<string, unknown>
        const turned = Object.fromEntries(Object.entries(stored).reverse())
        expect(specDifferences(withParams(params), withParams(turned))).toEqual([])
      }),
    )
  })

  it.each([
    ['a value', { a: { b: 1 } }, { a: { b: 2 } }],
    ['a field that is missing', { a: null }, {}],
    ['the order of a list', { a: [1, 2] }, { a: [2, 1] }],
    ['the type of a value', { a: 1 }, { a: '1' }],
    ['a field with a name of objects', { a: { toString: 1 } }, { a: {} }],
  ])('name params for %s', (_what, asked, stored) => {
    expect(specDifferences(withParams(asked), withParams(stored)).map((issue) => issue.pointer)).toEqual(['/params'])
  })

  it('name each part once', () => {
    const policy = { ...spec.policy, timeoutMs: 1000, retry: { ...spec.policy.retry, maxRetries: 0 } }
    const other = { ...spec, name: 'other', policy, isOverlapSet: true, tags: ['a'] }
    expect(specDifferences(other, spec).map((issue) => issue.pointer)).toEqual([
      '/name',
      '/retry',
      '/timeout',
      '/overlap',
      '/tags',
    ])
  })

  it('name each option of the schedule by its own field', () => {
    const schedule = { kind: 'interval', everyMs: 1000, anchorAt: 7 } as const
    const stored = { ...spec, schedule }
    const misfire = { policy: 'skip', withinMs: 0, cap: 1 } as const
    const options = { startAt: 5, endAt: 9, maxRuns: 2, jitterMs: 3 }
    const asked = { ...stored, schedule: { ...schedule, anchorAt: 5, ...options }, misfire, expiresAfterMs: 4 }
    expect(specDifferences(asked, stored).map((issue) => issue.pointer)).toEqual([
      '/schedule',
      '/startAt',
      '/endAt',
      '/maxRuns',
      '/jitter',
      '/misfire',
      '/expiresAfter',
    ])
    const later = { ...asked, schedule: { ...asked.schedule, anchorAt: 6, startAt: 6 } }
    expect(specDifferences(later, asked).map((issue) => issue.pointer)).toEqual(['/startAt'])
  })
})
