import { isRefusal } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countWrong, delayAfter, noGuesses, waitFor } from '../src/domain/guesses.ts'
import { judgePassword } from '../src/domain/password.ts'
import { planKeys, type SigningKey } from '../src/domain/signing-keys.ts'
import { createUnknownNames } from '../src/domain/unknown-names.ts'

const rule = { free: 3, delayMs: 1_000, maxDelayMs: 10_000 }

describe('guessing', () => {
  it.each([
    [0, 0],
    [2, 0],
    [3, 1_000],
    [4, 2_000],
    [5, 4_000],
    [6, 8_000],
    [7, 10_000],
    [1_000_000, 10_000],
  ])('after %i wrong passwords makes wait %i ms', (wrong, delayMs) => {
    expect(delayAfter(wrong, rule)).toBe(delayMs)
  })

  it('waits from the newest wrong password on, never longer than the rule says', () => {
    const anyGuesses = fc.record({ wrong: fc.nat(100), lastAt: fc.nat(2_000_000) })
    fc.assert(
      fc.property(anyGuesses, fc.nat(2_000_000), (guesses, now) => {
        const waitMs = waitFor(guesses, now, rule)
        expect(waitMs).toBeGreaterThanOrEqual(0)
        expect(waitMs).toBeLessThanOrEqual(delayAfter(guesses.wrong, rule))
        expect(waitFor(guesses, now + waitMs, rule) === 0 || now < guesses.lastAt).toBe(true)
      }),
    )
  })

  it('10,000 times takes days', () => {
    let guesses = noGuesses
    let now = 0
    for (let i = 0; i < 10_000; i++) {
      now += waitFor(guesses, now, { free: 5, delayMs: 1_000, maxDelayMs: 60_000 })
      guesses = countWrong(guesses, now)
    }
    expect(now).toBeGreaterThan(6 * 86_400_000)
  })

  it('counts for a bounded number of unknown names, the newest', () => {
    const names = createUnknownNames(2)
    for (const name of ['a', 'b', 'a', 'c']) names.set(name, countWrong(names.get(name) ?? noGuesses, 0))
    expect(['a', 'b', 'c'].map((name) => names.get(name)?.wrong)).toEqual([2, undefined, 1])
  })
})

describe('a new password', () => {
  it.each([
    ['12345', 'loopback', 'warned'],
    ['12345678901', 'loopback', 'warned'],
    ['123456789012', 'loopback', 'taken'],
    ['12345', 'the network', 'refused'],
    ['12345678901', 'the network', 'refused'],
    ['123456789012', 'the network', 'taken'],
    ['🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔', 'the network', 'refused'],
    ['🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔🔔', 'the network', 'taken'],
  ] as const)('%s on %s is %s', (password, where, expected) => {
    const judged = judgePassword(password, where === 'loopback')
    const outcome = isRefusal(judged) ? 'refused' : judged.length > 0 ? 'warned' : 'taken'
    expect(outcome).toBe(expected)
  })
})

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
