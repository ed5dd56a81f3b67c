import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planKeys, type SeenKey, type SigningKey } from '../../src/keys/signing-keys.ts'

const day = 86_400_000
const minute = 60_000
const rotation = { lifetimeMs: 90 * day, publishMs: 30_000, settledMs: 10 * minute, overlapMs: 150 * minute }
const key = (kid: string, createdAt: number): SigningKey => ({ kid, privatePem: '', publicX: '', createdAt })
const seen = (kid: string, createdAt: number, seenMs = 0): SeenKey => ({ key: key(kid, createdAt), seenMs })
const due = 90 * day

describe('the signing keys', () => {
  it.each([
    ['there is none', [], 0, { makesOne: true, signs: undefined, published: [], over: [] }],
    ['one is new and the only one', [seen('a', 0)], 0, { makesOne: false, signs: 'a', published: ['a'], over: [] }],
    ['one is young', [seen('a', 0)], day, { makesOne: false, signs: 'a', published: ['a'], over: [] }],
    ['one is due', [seen('a', 0)], due, { makesOne: true, signs: 'a', published: ['a'], over: [] }],
    [
      'the next one has just been stored',
      [seen('a', 0, day), seen('b', due, 29_999)],
      due + 29_999,
      { makesOne: false, signs: 'a', published: ['b', 'a'], over: [] },
    ],
    [
      'the next one has been published for long enough',
      [seen('a', 0, day), seen('b', due, 30_000)],
      due + 30_000,
      { makesOne: false, signs: 'b', published: ['b', 'a'], over: [] },
    ],
    [
      'the next one is of a clock that is ahead',
      [seen('a', 0, day), seen('b', due + day, 30_000)],
      due + 30_000,
      { makesOne: false, signs: 'b', published: ['b', 'a'], over: [] },
    ],
    [
      'the instance has just started and the next one is not new',
      [seen('a', 0), seen('b', due)],
      due + 10 * minute,
      { makesOne: false, signs: 'b', published: ['b', 'a'], over: [] },
    ],
    [
      'the last token of the old one may still be valid',
      [seen('a', 0, day), seen('b', due, 150 * minute - 1)],
      due + day,
      { makesOne: false, signs: 'b', published: ['b', 'a'], over: [] },
    ],
    [
      'the last token of the old one has expired',
      [seen('b', due, 150 * minute), seen('a', 0, day)],
      due + 150 * minute,
      { makesOne: false, signs: 'b', published: ['b', 'a'], over: ['a'] },
    ],
    [
      'the last token of the old one has expired long ago, and the instance has just started',
      [seen('b', due), seen('a', 0)],
      due + day + 150 * minute,
      { makesOne: false, signs: 'b', published: ['b', 'a'], over: ['a'] },
    ],
    [
      'two instances made one at the same moment',
      [seen('a', 5, 60_000), seen('b', 5, 30_000)],
      6,
      { makesOne: false, signs: 'b', published: ['b', 'a'], over: [] },
    ],
    [
      'two instances made the first one at the same moment',
      [seen('a', 5), seen('b', 5)],
      6,
      { makesOne: false, signs: 'a', published: ['b', 'a'], over: [] },
    ],
  ])('when %s', (_when, keys, now, expected) => {
    const plan = planKeys(keys, now, rotation)
    expect({
      makesOne: plan.makesOne,
      signs: plan.signs?.kid,
      published: plan.published.map((one) => one.kid),
      over: plan.over.map((one) => one.kid),
    }).toEqual(expected)
  })

  it('always publish the one that signs, and that one is never over', () => {
    const anyKeys = fc.uniqueArray(fc.tuple(fc.nat(300), fc.nat(10 * day)), { maxLength: 6, selector: ([at]) => at })
    fc.assert(
      fc.property(anyKeys, fc.nat(300), (keys, today) => {
        const plan = planKeys(
          keys.map(([at, seenMs]) => seen(`k${at}`, at * day, seenMs)),
          today * day,
          rotation,
        )
        expect(plan.published).toHaveLength(keys.length)
        expect(plan.makesOne || plan.signs !== undefined).toBe(true)
        if (plan.signs) expect(plan.published).toContain(plan.signs)
        if (plan.signs) expect(plan.over).not.toContain(plan.signs)
      }),
    )
  })
})
