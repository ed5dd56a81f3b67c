import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  executionId,
  executionIdPattern,
  jobIdPattern,
  jobKey,
  jobRef,
  latestAt,
  scheduledExecutionId,
  triggeredExecutionId,
} from '../src/index.ts'

const uuid = '0190f3a0-1234-7abc-8def-0123456789ab'

describe('ids', () => {
  it('of a scheduled execution are made of its fire time and its job', () => {
    expect(scheduledExecutionId(`job-${uuid}`, Date.UTC(2026, 11, 1))).toBe(`exe-mx3xkao0-${uuid}`)
  })

  it('of a trigger are made of its planned time and a minted UUID', () => {
    expect(triggeredExecutionId(Date.UTC(2026, 11, 1), uuid)).toBe(`exe-mx3xkao0-${uuid}`)
  })

  it('are execution ids at any time that the API takes, and sort by it from 1972 to 2059', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: latestAt }), (at) => {
        expect(scheduledExecutionId(`job-${uuid}`, at)).toMatch(executionIdPattern)
        expect(executionId.safeParse(triggeredExecutionId(at, uuid)).success).toBe(true)
      }),
    )
    const decades = fc.integer({ min: 36 ** 7, max: 36 ** 8 - 1 })
    fc.assert(
      fc.property(decades, decades, (a, b) => {
        expect(triggeredExecutionId(a, uuid) < triggeredExecutionId(b, uuid)).toBe(a < b)
      }),
    )
  })

  it.each([
    '',
    'exe-',
    `exe-${uuid}`,
    `exe-KZ-${uuid}`,
    `exe-kz-${uuid.toUpperCase()}`,
    `job-${uuid}`,
    `exe-kz-${uuid} `,
  ])('of executions do not look like %j', (text) => {
    expect(executionId.safeParse(text).success).toBe(false)
  })

  it('of jobs are distinguished from keys', () => {
    expect(`job-${uuid}`).toMatch(jobIdPattern)
    expect('job-100').not.toMatch(jobIdPattern)
  })
})

describe('the key of a job', () => {
  it.each(['job-100', 'a', '0', 'a.b_c-d', 'a..b', '-', 'a'.repeat(64), `job-${uuid}x`, 'job-', uuid])(
    'may be %j',
    (key) => {
      expect(jobKey.safeParse(key).success).toBe(true)
      expect(jobRef.safeParse(key).success).toBe(true)
    },
  )

  it.each(['', 'a'.repeat(65), 'Job', 'a b', 'a/b', 'ä', 'a\n', 'a%2f'])('may not be %j', (key) => {
    expect(jobKey.safeParse(key).success).toBe(false)
  })

  it.each([`job-${uuid}`, `usr-${uuid}`, `key-${uuid}`, `exe-kzk9xnk0-${uuid}`])(
    'may not look like the id %j',
    (key) => {
      expect(jobKey.safeParse(key).error?.issues[0]?.message).toBe('must not be shaped like an id')
    },
  )

  it.each(['.', '..', '...', '..a', 'a..'])('may not be %j, which does not come through in an address', (key) => {
    expect(jobKey.safeParse(key).success).toBe(false)
  })
})
