import { describe, expect, it } from 'vitest'
import { createUserTimeouts, userOf } from '../../src/client/user-timeouts.ts'

const token = (claims: unknown) => `Bearer e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

describe('the user of a request', () => {
  it.each<[string, Record<string, string | string[] | undefined> | undefined, string | null]>([
    ['the subject of its token', { authorization: token({ sub: 'usr-a' }) }, 'usr-a'],
    ['none for a service', { authorization: token({ sub: 'job-service' }) }, null],
    ['none without headers', undefined, null],
    ['none without a token', {}, null],
    ['none for another scheme', { authorization: 'Basic YTpi' }, null],
    ['none for what is no JSON', { authorization: 'Bearer a.b.c' }, null],
    ['none for a subject that is no text', { authorization: token({ sub: 5 }) }, null],
    ['none for claims that are null', { authorization: token(null) }, null],
  ])('is %s', (_what, headers, user) => {
    expect(userOf(headers)).toBe(user)
  })
})

describe('the time-outs of a user', () => {
  it('count once in a window, each user for itself', () => {
    const timeouts = createUserTimeouts(20_000)
    expect(timeouts.counts('a', 0)).toBe(true)
    expect(timeouts.counts('a', 1)).toBe(false)
    expect(timeouts.counts('b', 15_000)).toBe(true)
    expect(timeouts.counts('a', 19_999)).toBe(false)
    expect(timeouts.counts('a', 20_000)).toBe(true)
    expect(timeouts.counts('b', 34_999)).toBe(false)
    expect(timeouts.counts('b', 35_000)).toBe(true)
    expect(timeouts.counts('a', 39_999)).toBe(false)
  })
})
