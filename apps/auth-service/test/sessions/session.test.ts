import { describe, expect, it } from 'vitest'
import { judgeRefresh, rotateSession, type Session } from '../../src/sessions/session.ts'
import { hashOf, newSecret, readToken, writeToken } from '../../src/tokens/opaque-token.ts'

const graceMs = 10_000
const [first, second, third] = [newSecret(), newSecret(), newSecret()] as [string, string, string]
const session: Session = {
  ...{ id: 'one', userId: 'usr-1', generation: 0, createdAt: 0, expiresAt: 100_000 },
  ...{ hash: hashOf(first), rotatedAt: 0, previous: null },
}

describe('the refresh tokens of a login', () => {
  it('are replaced one by one', () => {
    expect(judgeRefresh(session, first, 50_000, graceMs)).toEqual({ kind: 'rotate' })
    const next = rotateSession(session, first, second, 50_000)
    expect(next).toMatchObject({ hash: hashOf(second), rotatedAt: 50_000, expiresAt: 100_000 })
    expect(judgeRefresh(next, second, 99_999, graceMs)).toEqual({ kind: 'rotate' })
  })

  it('give the same successor again for a while, and are a replay after it', () => {
    const next = rotateSession(session, first, second, 50_000)
    expect(judgeRefresh(next, first, 59_999, graceMs)).toEqual({ kind: 'again', successor: second })
    expect(judgeRefresh(next, first, 60_000, graceMs)).toEqual({ kind: 'replay' })
  })

  it('that were replaced twice are a replay at once', () => {
    const next = rotateSession(rotateSession(session, first, second, 50_000), second, third, 50_001)
    expect(judgeRefresh(next, second, 50_002, graceMs)).toEqual({ kind: 'again', successor: third })
    expect(judgeRefresh(next, first, 50_002, graceMs)).toEqual({ kind: 'replay' })
  })

  it('that never were one are a replay', () => {
    expect(judgeRefresh(session, second, 1, graceMs)).toEqual({ kind: 'replay' })
  })

  it('end with the login, whichever of them it is', () => {
    const next = rotateSession(session, first, second, 99_999)
    for (const secret of [first, second]) expect(judgeRefresh(next, secret, 100_000, graceMs)).toEqual({ kind: 'over' })
  })

  it('cannot be read from what is stored', () => {
    const stored = JSON.stringify(rotateSession(session, first, second, 1))
    expect(stored).not.toContain(first)
    expect(stored).not.toContain(second)
    const { previous } = JSON.parse(stored) as Session
    const wrong = { ...session, hash: hashOf(second), rotatedAt: 1, previous }
    expect(judgeRefresh({ ...wrong, previous: { ...previous!, hash: hashOf(third) } }, third, 2, graceMs)).not.toEqual({
      kind: 'again',
      successor: second,
    })
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
