import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planKeys, type SigningKey } from '../../src/keys/signing-keys.ts'

const day = 86_400_000
const rotation = { lifetimeMs: 90 * day, overlapMs: 960_000 }
const key = (kid: string, createdAt: number): SigningKey => ({ kid, privatePem: '', publicX: '', createdAt })

describe('the signing keys', () => {
  it.each([
    ['there is none', [], 0, { makesOne: true, signs: undefined, published: [], over: [] }],
    ['one is young', [key('a', 0)], day, { makesOne: false, signs: 'a', published: ['a'], over: [] }],
    ['one is due', [key('a', 0)], 90 * day, { makesOne: true, signs: 'a', published: ['a'], over: [] }],
    [
      'the next one has just begun',
      [key('a', 0), key('b', 90 * day)],
      90 * day + 959_999,
      { makesOne: false, signs: 'b', published: ['b', 'a'], over: [] },
    ],
    [
      'the last token of the old one has expired',
      [key('b', 90 * day), key('a', 0)],
      90 * day + 960_000,
      { makesOne: false, signs: 'b', published: ['b'], over: ['a'] },
    ],
    [
      'two instances made one at the same moment',
      [key('a', 5), key('b', 5)],
      6,
      { makesOne: false, signs: 'b', published: ['b', 'a'], over: [] },
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

  it('always publish the one that signs, and every key is published or over', () => {
    const anyKeys = fc
      .uniqueArray(fc.nat(300), { maxLength: 6 })
      .map((days) => days.map((at) => key(`k${at}`, at * day)))
    fc.assert(
      fc.property(anyKeys, fc.nat(300), (keys, today) => {
        const plan = planKeys(keys, today * day, rotation)
        expect(plan.published.length + plan.over.length).toBe(keys.length)
        if (plan.signs) expect(plan.published[0]).toBe(plan.signs)
        expect(plan.makesOne || plan.signs !== undefined).toBe(true)
      }),
    )
  })
})
