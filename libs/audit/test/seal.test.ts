import { describe, expect, it } from 'vitest'
import type { AuditRow } from '../src/index.ts'
import { findBreak, sealOf } from '../src/seal.ts'
import { isDue, sealable } from '../src/sealer.ts'
import { monday, rowOf } from './rows.ts'

const rows = [rowOf(1), rowOf(2), rowOf(5)]
const first = sealOf(null, rows)
const more = [rowOf(6), rowOf(7)]
const second = sealOf(first, more)

describe('a seal', () => {
  it('holds first, last, count and times, and follows the one before', () => {
    expect(first).toMatchObject({ no: 1, first: 1, last: 5, count: 3, firstAt: monday + 1, previous: '0'.repeat(64) })
    expect(second).toMatchObject({ no: 2, first: 6, last: 7, count: 2, previous: first.hash })
  })

  it('holds as long as nothing changes', () => {
    expect(findBreak(null, first, rows)).toBeNull()
    expect(findBreak(first, second, more)).toBeNull()
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
    expect(findBreak(null, first, rows.with(1, { ...rowOf(2), ...change }))).toBe('changed-rows')
  })

  it('breaks when rows are missing, added or moved', () => {
    expect(findBreak(null, first, rows.slice(1))).toBe('missing-rows')
    expect(findBreak(null, first, [...rows, rowOf(8)])).toBe('added-rows')
    expect(findBreak(null, first, [rowOf(1), rowOf(5), rowOf(2)])).toBe('changed-rows')
  })

  it('breaks when a seal is missing, or was made over another chain', () => {
    const third = sealOf(second, [rowOf(9)])
    expect(findBreak(first, third, [rowOf(9)])).toBe('missing-seal')
    const forged = sealOf(null, rows.with(0, rowOf(1, { actorName: 'eve' })))
    expect(findBreak(forged, second, more)).toBe('other-chain')
    expect(findBreak(null, { ...first, previous: first.hash }, rows)).toBe('other-chain')
  })

  it('begins the chain at any number once retention has removed those before it', () => {
    expect(findBreak(null, second, more)).toBeNull()
  })
})

describe('what may be sealed', () => {
  const open = rowOf(3, { status: null })
  it('ends before a request that may be under way', () => {
    expect(sealable([rowOf(1), open, rowOf(4)], monday + 10, 60_000)).toEqual([rowOf(1)])
    expect(sealable([rowOf(1), open, rowOf(4)], monday + 60_003, 60_000)).toHaveLength(3)
  })

  it('is due when it is many rows, or old ones', () => {
    expect(isDue([], monday, { rows: 2, sealMs: 1000 })).toBe(false)
    expect(isDue([rowOf(1)], monday + 1000, { rows: 2, sealMs: 1000 })).toBe(false)
    expect(isDue([rowOf(1)], monday + 1001, { rows: 2, sealMs: 1000 })).toBe(true)
    expect(isDue([rowOf(1), rowOf(2)], monday, { rows: 2, sealMs: 1000 })).toBe(true)
  })
})
