import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileSchedule, scheduleWarnings } from '../src/index.ts'

const june = Date.UTC(2026, 5, 1)
const berlin = (cron: string, from = june) =>
  scheduleWarnings({ kind: 'cron', cron, timezone: 'Europe/Berlin' }, from, 'job-1').map(({ detail }) => detail)

describe('warnings of clock changes', () => {
  it('name the date, the effect and the rule', () => {
    expect(berlin('30 2 * * *')).toEqual([
      'on 2026-10-25 the clock in Europe/Berlin goes back from 03:00 to 02:00: what is due in between runs once, in the first of the two (rule: once)',
      'on 2027-03-28 the clock in Europe/Berlin goes from 02:00 to 03:00: what is due in between runs once, right after the jump (rule: next-valid)',
    ])
  })

  it('come for several times an hour, and not for schedules that run all day or at other times', () => {
    expect(berlin('*/15 2 * * *')[0]).toContain('runs in both')
    for (const cron of ['*/15 * * * *', '0 */2 * * *', '30 3 * * *', '0 9 * * *', '30 2 * * 1-5'])
      expect(berlin(cron)).toEqual([])
    expect(scheduleWarnings({ kind: 'cron', cron: '30 2 * * *', timezone: 'UTC' }, june, 'job-1')).toEqual([])
  })

  it('come for changes between startAt and endAt only', () => {
    const warnings = (window: { startAt?: number; endAt?: number }) =>
      scheduleWarnings({ kind: 'cron', cron: '30 2 * * *', timezone: 'Europe/Berlin', ...window }, june, 'job-1')
    expect(warnings({ endAt: Date.UTC(2026, 8, 1) })).toEqual([])
    expect(warnings({ endAt: Date.UTC(2026, 10, 1) })).toHaveLength(1)
    expect(warnings({ startAt: Date.UTC(2026, 10, 1) })[0]?.detail).toContain('2027-03-28')
  })

  it('come exactly where a run is not at its own local time, or is one of two', () => {
    const local = (at: number) => Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO('Europe/Berlin')
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), (hour, minute) => {
        const cron = `${minute} ${hour} * * *`
        const times = compileSchedule({ kind: 'cron', cron, timezone: 'Europe/Berlin' }, 'job-1')
        if ('issue' in times) throw new Error(times.issue.detail)
        const moved = times.nextMany(june, 400).filter((at) => local(at).hour !== hour || local(at).minute !== minute)
        expect(berlin(cron).filter((text) => text.includes('right after'))).toHaveLength(moved.length)
      }),
    )
  })
})
