import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { longestCron, parseCron } from '../src/cron.ts'
import { cronTimes } from '../src/cron-times.ts'
import { nextDay } from '../src/days.ts'
import { compileSchedule, isTimeZone, parseEvery, scheduleWarnings } from '../src/index.ts'
import { openZone } from '../src/zone.ts'
import { cronText } from './cron-text.ts'

const pieces = [
  '*',
  '?',
  '/',
  '-',
  ',',
  ' ',
  '  ',
  '#',
  'L',
  'W',
  'H',
  '(',
  ')',
  '@',
  '0',
  '1',
  '5',
  '7',
  '31',
  '59',
  '60',
  '-1',
  '9999',
]
const more = [
  'LW',
  'L-3',
  '15W',
  'MON',
  'sun',
  'JAN',
  'H(0-29)',
  '*/5',
  '1-5',
  '@every',
  '@daily',
  '90s',
  'é',
  'ſ',
  '\n',
  '\0',
  '1e9',
  '0x1',
  '𝟙',
]

const rubbish = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 24 }).map((parts) => parts.join('')),
  },
  {
    weight: 2,
    arbitrary: fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 7 }).map((parts) => parts.join(' ')),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 200 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
)

/** A good expression with a few characters changed: reaches further in than rubbish does. */
const bent = fc
  .tuple(cronText, fc.array(fc.tuple(fc.nat(40), fc.constantFrom(...pieces, ...more)), { maxLength: 3 }))
  .map(([cron, changes]) => {
    const text = [...cron]
    for (const [at, piece] of changes) text[at % text.length] = piece
    return text.join('')
  })

/** The rarest days there are, among others: 40 years lie between two leap days of one weekday around 2100. */
const searched = fc.oneof(
  bent,
  cronText,
  fc.constantFrom('0 0 ? 2 MON#5', '* * ? 2 THU#5', '0 0 29 2 *', '0 0 29W 2 *'),
)

/** Counts the months and the periods that a search looks at, so that no clock decides whether a test passes. */
function meteredTimes(text: string, zoneName: string) {
  const cron = parseCron(text, 'job-1')
  const zone = openZone(zoneName)
  if ('issue' in cron || !zone) return null
  const steps = { months: 0, periods: 0 }
  const { months, ofMonth, ofWeek } = cron.days
  const days = {
    ofMonth,
    ofWeek,
    get months() {
      steps.months++
      return months
    },
  }
  const periodAt = (at: number) => {
    steps.periods++
    return zone.periodAt(at)
  }
  return { steps, days, times: cronTimes({ days, times: cron.times }, { name: zone.name, periodAt }) }
}

const zones = ['UTC', 'Europe/Berlin', 'Africa/Casablanca', 'Australia/Lord_Howe', 'Pacific/Apia', 'America/Sao_Paulo']

describe('100,000 malformed expressions', () => {
  it('are compiled or refused with an issue, and never throw', () => {
    let compiled = 0
    fc.assert(
      fc.property(fc.oneof(rubbish, bent), fc.constantFrom(...zones), (cron, timezone) => {
        const result = compileSchedule({ kind: 'cron', cron, timezone }, 'job-1')
        expect(Array.isArray(scheduleWarnings({ kind: 'cron', cron, timezone }, 0, 'job-1'))).toBe(true)
        if ('issue' in result) {
          if (result.issue.field !== 'cron' || result.issue.detail.length > 400) throw new Error(result.issue.detail)
          return
        }
        compiled++
        if (cron.length > longestCron) throw new Error('too long, and taken')
        if (result.next(1.8e12) === null) throw new Error('compiled, and never fires')
      }),
      { numRuns: 100_000 },
    )
    expect(compiled).toBeGreaterThan(10_000)
  }, 30_000)

  it('are searched in at most 41 years of months, wherever they fire at all', () => {
    fc.assert(
      fc.property(searched, fc.constantFrom(...zones), fc.integer({ min: 0, max: 4e12 }), (text, zone, after) => {
        const metered = meteredTimes(text, zone)
        if (!metered) return
        metered.times.next(after)
        // A month may be looked at from both sides of a clock change, of which there are at most four a year.
        expect(metered.steps.months).toBeLessThan(41 * 12 + 41 * 4 * 2)
        expect(metered.steps.periods).toBeLessThan(41 * 4)
      }),
      { numRuns: 5000 },
    )
  })

  it('are refused after one turn of the calendar when they never fire', () => {
    const february = parseCron('0 0 28 2 *', '')
    if ('issue' in february) throw new Error(february.issue.detail)
    let months = 0
    const never = {
      ofMonth: { ...february.days.ofMonth, days: 1 << 30 },
      ofWeek: february.days.ofWeek,
      get months() {
        months++
        return february.days.months
      },
    }
    expect(nextDay(never, 0, 146_097)).toBeNull()
    expect(months).toBe(4800)
  })

  it('are no time zones, no @every, and no reason to throw either', () => {
    fc.assert(
      fc.property(rubbish, (text) => {
        isTimeZone(text)
        parseEvery(text)
        const result = compileSchedule({ kind: 'cron', cron: '0 0 * * *', timezone: text }, '')
        expect('issue' in result).toBe(!isTimeZone(text))
      }),
      { numRuns: 5000 },
    )
  })
})
