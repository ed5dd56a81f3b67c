import { describe, expect, it } from 'vitest'
import { judgeRefresh, newMarkedSecret, newMarkKey, rotateSession, type Session } from '../../src/sessions/session.ts'
import { hashOf, newSecret, readToken, writeToken } from '../../src/tokens/opaque-token.ts'

const graceMs = 10_000
const markKey = newMarkKey()
const first = newMarkedSecret(markKey)
const session: Session = {
  ...{ id: 'one', userId: 'usr-1', generation: 0, createdAt: 0, expiresAt: 100_000 },
  ...{ hash: hashOf(first), rotatedAt: 0, previous: null, markKey },
}

describe('the refresh tokens of a login', () => {
  it('are replaced one by one', () => {
    expect(judgeRefresh(session, first, 50_000, graceMs)).toEqual({ kind: 'rotate' })
    const { next, successor } = rotateSession(session, first, 50_000)
    expect(next).toMatchObject({ hash: hashOf(successor), rotatedAt: 50_000, expiresAt: 100_000 })
    expect(judgeRefresh(next, successor, 99_999, graceMs)).toEqual({ kind: 'rotate' })
  })

  it('give the same successor again for a while, and are a replay after it', () => {
    const { next, successor } = rotateSession(session, first, 50_000)
    expect(judgeRefresh(next, first, 59_999, graceMs)).toEqual({ kind: 'again', successor })
    expect(judgeRefresh(next, first, 60_000, graceMs)).toEqual({ kind: 'replay' })
  })

  it('that were replaced twice or more often are a replay at once', () => {
    const second = rotateSession(session, first, 50_000)
    let { next, successor } = rotateSession(second.next, second.successor, 50_001)
    expect(judgeRefresh(next, second.successor, 50_002, graceMs)).toEqual({ kind: 'again', successor })
    expect(judgeRefresh(next, first, 50_002, graceMs)).toEqual({ kind: 'replay' })
    for (let n = 0; n < 100; n += 1) ({ next, successor } = rotateSession(next, successor, 50_003))
    expect(judgeRefresh(next, first, 50_003, graceMs)).toEqual({ kind: 'replay' })
  })

  it('that never were one of this login are unknown, also with the mark of another login', () => {
    const { next } = rotateSession(session, first, 50_000)
    for (const guess of [newSecret(), newMarkedSecret(newMarkKey()), 'A'.repeat(43)]) {
      expect(judgeRefresh(next, guess, 50_001, graceMs)).toEqual({ kind: 'unknown' })
    }
  })

  it('of a login that began without marks get them with the next refresh', () => {
    const old = newSecret()
    const before: Session = { ...session, hash: hashOf(old), markKey: null }
    expect(judgeRefresh(before, newSecret(), 1, graceMs)).toEqual({ kind: 'unknown' })
    const { next, successor } = rotateSession(before, old, 1)
    expect(judgeRefresh(next, old, 20_000, graceMs)).toEqual({ kind: 'replay' })
    const later = rotateSession(next, successor, 30_000).next
    expect(judgeRefresh(rotateSession(later, successor, 30_001).next, successor, 60_000, graceMs)).toEqual({
      kind: 'replay',
    })
  })

  it('end with the login, whichever of them it is', () => {
    const { next, successor } = rotateSession(session, first, 99_999)
    for (const secret of [first, successor]) {
      expect(judgeRefresh(next, secret, 100_000, graceMs)).toEqual({ kind: 'over' })
    }
  })

  it('cannot be read from what is stored', () => {
    const { next, successor } = rotateSession(session, first, 1)
    const stored = JSON.stringify(next)
    expect(stored).not.toContain(first)
    expect(stored).not.toContain(successor)
    const third = newSecret()
    const { previous } = JSON.parse(stored) as Session
    const wrong = { ...next, previous: { ...previous!, hash: hashOf(third) } }
    expect(judgeRefresh(wrong, third, 2, graceMs)).not.toEqual({ kind: 'again', successor })
  })
})

describe('an opaque token', () => {
  const uuid = '019b76da-a803-7000-8000-0293c18c78f2'
  const secret = newSecret()

  it('names its record, and is read back', () => {
    const text = writeToken('bfk', { uuid, secret })
    expect(text).toBe(`bfk_019b76daa803700080000293c18c78f2_${secret}`)
    expect(readToken('bfk', text)).toEqual({ uuid, secret })
  })

  it.each([
    '',
    'bfk',
    `bfk_${uuid}_${'a'.repeat(43)}`,
    `bfr_019b76daa803700080000293c18c78f2_${'a'.repeat(43)}`,
    `bfk_019B76DAA803700080000293C18C78F2_${'a'.repeat(43)}`,
    `bfk_019b76daa803700080000293c18c78f2_${'a'.repeat(42)}`,
    `bfk_019b76daa803700080000293c18c78f2_${'a'.repeat(44)}`,
    `bfk_019b76daa803700080000293c18c78f2_${'a'.repeat(42)}!`,
    `bfk_019b76daa803700080000293c18c78f2_${'a'.repeat(43)}\n`,
    ` bfk_019b76daa803700080000293c18c78f2_${'a'.repeat(43)}`,
  ])('is not read from %j', (text) => expect(readToken('bfk', text)).toBeUndefined())

  it('has 256 random bits in its secret', () => {
    const secrets = Array.from({ length: 100 }, newSecret)
    expect(new Set(secrets).size).toBe(100)
    expect(secrets.every((one) => Buffer.from(one, 'base64url').length === 32)).toBe(true)
  })
})
