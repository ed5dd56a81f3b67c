import { describe, expect, it } from 'vitest'
import { contentOf } from '../src/content.ts'
import type { AuditRow } from '../src/index.ts'
import { findBreak, sealOf } from '../src/seal.ts'
import { isDue } from '../src/sealer.ts'
import { monday, rowOf } from './rows.ts'

const rows = [rowOf(1), rowOf(2), rowOf(5)]
const first = sealOf(null, contentOf(rows))
const more = [rowOf(6), rowOf(7)]
const second = sealOf(first, contentOf(more))

describe('a seal', () => {
  it('holds first, last, count and times, and follows the one before', () => {
    expect(first).toMatchObject({ no: 1, first: 1, last: 5, count: 3, firstAt: monday + 1, previous: '0'.repeat(64) })
    expect(second).toMatchObject({ no: 2, first: 6, last: 7, count: 2, previous: first.hash })
  })

  it('holds as long as nothing changes', () => {
    expect(findBreak(null, first, contentOf(rows))).toBeNull()
    expect(findBreak(first, second, contentOf(more))).toBeNull()
  })

  const changes: [string, Partial<AuditRow>][] = [
    ['the actor', { actorId: 'usr-b' }],
    ['the name', { actorName: 'eve' }],
    ['the way', { via: 'api-key' }],
    ['the action', { action: 'resumeJob' }],
    ['the target', { target: 'job-2' }],
    ['another id', { also: ['job-2'] }],
    ['the version', { version: null }],
    ['the status', { status: 409 }],
    ['the request id', { requestId: 'req-2' }],
    ['the address', { address: null }],
    ['the time', { at: monday }],
    ['the number', { n: 3 }],
  ]
  it.each(changes)('breaks when %s of a row is changed', (_, change) => {
    expect(findBreak(null, first, contentOf(rows.with(1, { ...rowOf(2), ...change })))).toBe('changed-rows')
  })

  it('breaks when rows are missing, added or moved', () => {
    expect(findBreak(null, first, contentOf(rows.slice(1)))).toBe('missing-rows')
    expect(findBreak(null, first, contentOf([...rows, rowOf(8)]))).toBe('added-rows')
    expect(findBreak(null, first, contentOf([rowOf(1), rowOf(5), rowOf(2)]))).toBe('changed-rows')
  })

  it('breaks when a seal is missing, or was made over another chain', () => {
    const third = sealOf(second, contentOf([rowOf(9)]))
    expect(findBreak(first, third, contentOf([rowOf(9)]))).toBe('missing-seal')
    const forged = sealOf(null, contentOf(rows.with(0, rowOf(1, { actorName: 'eve' }))))
    expect(findBreak(forged, second, contentOf(more))).toBe('other-chain')
    expect(findBreak(null, { ...first, previous: first.hash }, contentOf(rows))).toBe('other-chain')
  })

  it('begins the chain at any number once retention has removed those before it', () => {
    expect(findBreak(null, second, contentOf(more))).toBeNull()
  })
})

describe('a seal is due', () => {
  const bounds = { rows: 2, sealMs: 1000 }
  it('when it is many rows, or old ones', () => {
    const one = { count: 1, last: 1, oldestAt: monday }
    expect(isDue(one, monday + 999, bounds)).toBe(false)
    expect(isDue(one, monday + 1000, bounds)).toBe(true)
    expect(isDue({ ...one, count: 2 }, monday, bounds)).toBe(true)
  })
})
