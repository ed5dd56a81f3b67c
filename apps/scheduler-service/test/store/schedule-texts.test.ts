import { describe, expect, it } from 'vitest'
import { bodyText, readTexts } from '../../src/store/schedule-texts.ts'

describe('the texts of a schedule', () => {
  /** As version 0.1 stored it. */
  const old = {
    state: 'active',
    nextFireAt: 7,
    lastFireAt: null,
    fired: 0,
    pending: [],
    fireLogOutbox: [],
    quarantined: null,
  } as const

  it('of an earlier version are read with the fields that they lack', () => {
    const read = readTexts('{"ownerId":"usr-1"}', JSON.stringify(old))
    expect(read).toEqual({ ownerId: 'usr-1', ...old, lateSegments: [], recentRanges: [], oneShots: [] })
  })

  it('stay as they were where the new fields are empty', () => {
    const record = { jobId: 'job-1', version: 1, endedAt: null, ...readTexts('{}', JSON.stringify(old)) }
    expect(bodyText(record)).toBe(JSON.stringify(old))
  })
})
