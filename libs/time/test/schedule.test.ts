import { describe, expect, it } from 'vitest'
import { compileSchedule, parseEvery, type Schedule, scheduleWarnings } from '../src/index.ts'
import { cronIn, fireTimesOf } from './schedules.ts'

const day = 86_400_000
const newYear = Date.UTC(2026, 0, 1)

function issueOf(schedule: Schedule) {
  const result = compileSchedule(schedule, 'job-1')
  return 'issue' in result ? result.issue : null
}

/** cron | code | what the detail says */
const refused: [string, string, string][] = [
  ['', 'field-count', 'has 0 fields'],
  ['* * * *', 'field-count', 'has 4 fields, must have 5 (minute hour day-of-month month day-of-week)'],
  ['* * * * * * *', 'field-count', 'a field of years is not taken'],
  ['2026-12-01T09:00:00Z', 'not-a-cron', '"runAt"'],
  ['2026-12-01', 'not-a-cron', '"runAt"'],
  ['@reboot', 'unknown-alias', '@daily'],
  ['@every90s', 'unknown-alias', '@every 90s'],
  ['@every', 'bad-duration', '"90s"'],
  ['@every soon', 'bad-duration', '"90s"'],
  ['@every 90', 'bad-duration', '"90s"'],
  ['@every 1h 30m', 'bad-duration', '"90s"'],
  ['@every 999ms', 'out-of-range', 'between 1s and 366d'],
  ['@every 367d', 'out-of-range', 'between 1s and 366d'],
  ['60 * * * *', 'out-of-range', 'minute: "60" is out of range: use 0 to 59'],
  ['* 24 * * *', 'out-of-range', 'hour: "24" is out of range: use 0 to 23'],
  ['* * 0 * *', 'out-of-range', 'day-of-month: "0" is out of range: use 1 to 31'],
  ['* * 32 * *', 'out-of-range', 'day-of-month: "32"'],
  ['* * * 13 *', 'out-of-range', 'month: "13" is out of range: use 1 to 12 or JAN to DEC'],
  ['* * * * 8', 'out-of-range', 'day-of-week: "8" is out of range: use 0 to 7 or SUN to SAT'],
  ['60 * * * * *', 'out-of-range', 'second: "60"'],
  ['* 9-25 * * *', 'out-of-range', 'hour: "25"'],
  ['* * 32W * *', 'out-of-range', 'day-of-month: "32"'],
  ['* * L-31 * *', 'out-of-range', 'L-0 to L-30'],
  ['* * * * MON#6', 'out-of-range', '#1 to #5'],
  ['* * * * MON#0', 'out-of-range', '#1 to #5'],
  ['*/0 * * * *', 'bad-step', 'minute: "*/0" needs a step of 1 to 60'],
  ['*/61 * * * *', 'bad-step', 'a step of 1 to 60'],
  ['* */25 * * *', 'bad-step', 'hour: "*/25" needs a step of 1 to 24'],
  ['* * * * */8', 'bad-step', 'a step of 1 to 7'],
  ['*/5/2 * * * *', 'bad-step', 'more than one step'],
  ['*/x * * * *', 'bad-step', '"*/X" needs a step'],
  ['*/ * * * *', 'bad-step', '"*/"'],
  ['/5 * * * *', 'bad-value', 'write "*/5"'],
  ['1,,2 * * * *', 'bad-value', 'minute: there is an empty item'],
  ['1, * * * *', 'bad-value', 'empty item'],
  ['1-2-3 * * * *', 'bad-value', '"1-2-3" is not a range'],
  ['1- * * * *', 'bad-value', 'minute: ""'],
  ['-1 * * * *', 'bad-value', 'minute: ""'],
  ['1.5 * * * *', 'bad-value', '"1.5"'],
  ['00005 * * * *', 'bad-value', '"00005"'],
  ['MON * * * *', 'bad-value', 'minute: "MON" is not understood'],
  ['* * * MON *', 'bad-value', 'month: "MON"'],
  ['* * * * JAN', 'bad-value', 'day-of-week: "JAN"'],
  ['* * * * MONDAY', 'bad-value', '"MONDAY"'],
  ['? * * * *', 'bad-value', '"?" stands alone'],
  ['* * ?/2 * *', 'bad-value', '"?" stands alone'],
  ['L * * * *', 'bad-value', 'minute: "L"'],
  ['* * * * L', 'bad-value', '"FRIL" is the last Friday'],
  ['* * W * *', 'bad-value', '"W"'],
  ['* * 1-5W * *', 'bad-value', '"5W"'],
  ['* * 15L * *', 'bad-value', '"15L"'],
  ['* * * * MON-FRI#2', 'bad-value', '"MON-FRI"'],
  ['* * * * 1#2#3', 'bad-value', '"1#2#3"'],
  ['H() * * * *', 'bad-value', 'minute: ""'],
  ['H(0-29 * * * *', 'bad-value', 'H(0-29)'],
  ['HH * * * *', 'bad-value', 'H(0-29)'],
  ['H(0-60) * * * *', 'out-of-range', 'minute: "60"'],
  ['H(30-10) * * * *', 'reversed-range', '"H(30-10)" runs backwards'],
  ['* 22-3 * * *', 'reversed-range', 'hour: "22-3" runs backwards: write "22-23,0-3"'],
  ['* * * * FRI-MON', 'reversed-range', 'day-of-week: "FRI-MON" runs backwards: write "5-6,0-1"'],
  ['* * 31-1 * *', 'reversed-range', 'write "31,1"'],
  ['* * * * 6-SUN,5-1', 'reversed-range', 'write "5-6,0-1"'],
  ['* * * NOV-FEB *', 'reversed-range', 'write "11-12,1-2"'],
  ['0 0 30 2 *', 'never-fires', '"0 0 30 2 *" never fires'],
  ['0 0 31 2,4,6,9,11 *', 'never-fires', 'never fires'],
  ['0 0 L-29 2 *', 'never-fires', 'never fires'],
  ['0 0 31W 6 *', 'never-fires', 'never fires'],
  ['every 15s', 'not-a-cron', '{"every": "15s"}, or as "@every 15s"'],
  ['15 minutes', 'not-a-cron', '"@every 15m"'],
  ['Every hour', 'not-a-cron', '"@every 1h"'],
  ['every 2 months', 'field-count', 'has 3 fields'],
  ['CRON_TZ=Europe/Berlin 0 9 * * *', 'not-a-cron', '{"cron":"0 9 * * *","timezone":"Europe/Berlin"}'],
  ['tz=UTC', 'not-a-cron', 'a field of its own'],
  ['０ * * * *', 'bad-character', 'plain ASCII'],
  ['* * * * ſun', 'bad-character', 'plain ASCII'],
  ['*\n* * * *', 'bad-character', 'plain ASCII'],
  [`${'1,'.repeat(60)}1 * * * *`, 'too-long', 'has 129 characters, more than 128'],
]

describe('a cron that cannot be', () => {
  it.each(refused)('%j is refused as %s', (cron, code, detail) => {
    const issue = issueOf({ kind: 'cron', cron, timezone: 'UTC' })
    expect(issue).toMatchObject({ field: 'cron', code })
    expect(issue?.detail).toContain(detail)
  })

  it('is refused, unlike one of exactly 128 characters', () => {
    const cron = `${'1,'.repeat(58)}11,2 * * * *`
    expect(cron).toHaveLength(128)
    expect(issueOf({ kind: 'cron', cron, timezone: 'UTC' })).toBeNull()
  })

  it.each([
    ['Mars/Olympus', '"Mars/Olympus" is not an IANA time zone'],
    ['+01:00', 'an offset has no clock changes'],
    ['', 'is not an IANA time zone'],
  ])('in zone %j is refused as an issue of the zone', (timezone, detail) => {
    const issue = issueOf({ kind: 'cron', cron: '* * * * *', timezone })
    expect(issue).toMatchObject({ field: 'timezone', code: 'unknown-zone' })
    expect(issue?.detail).toContain(detail)
  })
})

describe('H', () => {
  const jobs = Array.from({ length: 1200 }, (_, n) => `job-${n}`)
  const minutesOf = (cron: string) =>
    jobs.map((seed) => {
      const times = fireTimesOf({ kind: 'cron', cron, timezone: 'UTC' }, seed)
      return new Date(times.next(newYear - 1) as number).getUTCMinutes()
    })

  it('spreads jobs over the whole hour', () => {
    const perMinute = new Map<number, number>()
    for (const minute of minutesOf('H * * * *')) perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1)
    expect(perMinute.size).toBe(60)
    expect(Math.max(...perMinute.values())).toBeLessThan(50)
  })

  it('stays in its range', () => {
    const minutes = minutesOf('H(10-19) * * * *')
    expect(new Set(minutes)).toEqual(new Set([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]))
  })

  it('is the same slot for the same job, always', () => {
    const slot = (seed: string) => fireTimesOf({ kind: 'cron', cron: 'H H H * *', timezone: 'UTC' }, seed).next(newYear)
    expect(slot('job-7')).toBe(slot('job-7'))
    expect(slot('job-7')).not.toBe(slot('job-8'))
    // Pinned: another slot after an upgrade would move every such job.
    const pinned = new Date(slot('job-0190f3a0-0000-7000-8000-000000000000') as number).toISOString()
    expect(pinned).toMatchInlineSnapshot(`"2026-01-07T09:06:00.000Z"`)
  })

  it('with a step begins at its slot', () => {
    for (const seed of jobs.slice(0, 50)) {
      const [first, second, third] = fireTimesOf(
        { kind: 'cron', cron: 'H/20 5 * * *', timezone: 'UTC' },
        seed,
      ).nextMany(newYear, 3)
      expect((second as number) - (first as number)).toBe(20 * 60_000)
      expect((third as number) - (second as number)).toBe(20 * 60_000)
    }
  })

  it('takes one of the days that every month has', () => {
    for (const seed of jobs.slice(0, 100)) {
      expect(
        fireTimesOf({ kind: 'cron', cron: '0 0 H * *', timezone: 'UTC' }, seed).count(newYear, newYear + 365 * day - 1),
      ).toBe(12)
    }
  })
})

describe('@every', () => {
  it.each([
    ['@every 90s', 90_000],
    ['@EVERY 1h30m', 5_400_000],
    ['  @every\t1d ', 86_400_000],
    ['@every 1500ms', 1500],
    ['@every 366d', 366 * day],
  ])('%j is an interval', (cron, everyMs) => {
    expect(parseEvery(cron)).toEqual({ everyMs })
  })

  it('is left to the caller when the cron is another', () => {
    expect(parseEvery('*/5 * * * *')).toBeNull()
    expect(parseEvery('@daily')).toBeNull()
  })

  it('counts from 1970 without an anchor', () => {
    expect(cronIn('Europe/Berlin', '@every 7h').nextMany(0, 2)).toEqual([7 * 3_600_000, 14 * 3_600_000])
  })
})

describe('an interval', () => {
  const interval = fireTimesOf({ kind: 'interval', everyMs: 90_000, anchorAt: newYear })

  it('begins at its anchor and stays on it', () => {
    expect(interval.next(0)).toBe(newYear)
    expect(interval.next(newYear - 1)).toBe(newYear)
    expect(interval.next(newYear)).toBe(newYear + 90_000)
    expect(interval.next(newYear + 90_000 * 1e6 - 1)).toBe(newYear + 90_000 * 1e6)
    expect(interval.count(0, newYear - 1)).toBe(0)
    expect(interval.count(newYear, newYear + 90_000)).toBe(2)
    expect(interval.last(0, newYear + 100_000)).toBe(newYear + 90_000)
  })

  it('ends with the year 9999', () => {
    const end = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
    expect(interval.next(end - 1)).toBeNull()
    expect(interval.next(Number.POSITIVE_INFINITY)).toBeNull()
    expect(interval.next(Number.NEGATIVE_INFINITY)).toBe(newYear)
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('of %d ms is refused', (everyMs) => {
    expect(issueOf({ kind: 'interval', everyMs, anchorAt: 0 })).toMatchObject({ field: 'every', code: 'out-of-range' })
  })

  it('without a real anchor is refused', () => {
    expect(issueOf({ kind: 'interval', everyMs: 1, anchorAt: Number.NaN })).toMatchObject({ field: 'every' })
  })
})

describe('a one-shot', () => {
  const once = fireTimesOf({ kind: 'once', runAt: newYear })

  it('fires once', () => {
    expect(once.next(newYear - 1)).toBe(newYear)
    expect(once.next(newYear)).toBeNull()
    expect(once.nextMany(0, 5)).toEqual([newYear])
    expect(once.count(newYear, newYear)).toBe(1)
    expect(once.count(newYear + 1, newYear + day)).toBe(0)
    expect(once.last(0, newYear - 1)).toBeNull()
    expect(once.last(0, newYear)).toBe(newYear)
  })

  it.each([-1, 1.5, Number.NaN, Date.UTC(10_000, 0, 1)])('at %d is refused', (runAt) => {
    expect(issueOf({ kind: 'once', runAt })).toMatchObject({ field: 'runAt', code: 'out-of-range' })
  })
})

describe('a manual job', () => {
  it('has no fire times', () => {
    const manual = fireTimesOf({ kind: 'manual' })
    expect(manual.next(0)).toBeNull()
    expect(manual.nextMany(0, 3)).toEqual([])
    expect(manual.count(0, newYear)).toBe(0)
    expect(manual.last(0, newYear)).toBeNull()
  })
})

describe('the edges of time', () => {
  it('are 1970 and 9999, in every zone', () => {
    const hourly = cronIn('America/New_York', '0 * * * *')
    expect(hourly.next(-1e15)).toBe(0)
    expect(hourly.count(-1e15, 0)).toBe(1)
    const end = Date.UTC(9999, 11, 31, 23)
    expect(hourly.next(end - 1)).toBe(end)
    expect(hourly.next(end)).toBeNull()
    expect(hourly.last(end - day, 1e20)).toBe(end)
    expect(hourly.nextMany(end - 1, 3)).toEqual([end])
  })
})

describe('warnings', () => {
  const codes = (cron: string) =>
    scheduleWarnings({ kind: 'cron', cron, timezone: 'UTC' }, 0, 'job-1').map((warning) => warning.code)

  it('warn that either day field is enough', () => {
    expect(codes('0 0 13 * FRI')).toEqual(['either-day'])
    expect(codes('0 0 */2 * MON')).toEqual(['either-day'])
    expect(scheduleWarnings({ kind: 'cron', cron: '0 0 13 * fri', timezone: 'UTC' }, 0, 'job-1')[0]?.detail).toContain(
      '"13"',
    )
  })

  it('warn of the weekday numbers of Quartz', () => {
    expect(codes('0 0 12 ? * 2-6')).toEqual(['weekday-numbers'])
    expect(codes('0 0 12 ? * MON-FRI')).toEqual([])
    expect(codes('0 0 12 ? * MON#2')).toEqual([])
  })

  it.each(['*/5 * * * *', '0 0 1 * *', '0 0 ? * MON', '0 0 1 * ?', '@daily', '@every 5m', 'nonsense'])(
    'are not given for %j',
    (cron) => {
      expect(codes(cron)).toEqual([])
    },
  )

  it.each([
    ['EST', '"America/New_York" does'],
    ['mst', '"America/Denver" does'],
    ['Etc/GMT+5', 'behind UTC'],
    ['Etc/GMT-2', 'ahead of UTC'],
  ])('warn that the zone %s keeps one offset', (timezone, words) => {
    const warnings = scheduleWarnings({ kind: 'cron', cron: '0 9 * * *', timezone }, 0, 'job-1')
    expect(warnings).toEqual([{ code: 'fixed-offset-zone', detail: expect.stringContaining(words) }])
  })

  it.each(['UTC', 'GMT', 'Etc/GMT', 'Etc/GMT0', 'EST5EDT', 'HST', 'America/Phoenix', 'Asia/Kolkata'])(
    'are not given for the zone %s',
    (timezone) => {
      expect(scheduleWarnings({ kind: 'cron', cron: '0 9 * * *', timezone }, 0, 'job-1')).toEqual([])
    },
  )

  it('are given for crons alone', () => {
    expect(scheduleWarnings({ kind: 'interval', everyMs: 1000, anchorAt: 0 }, 0, 'job-1')).toEqual([])
    expect(scheduleWarnings({ kind: 'manual' }, 0, 'job-1')).toEqual([])
  })
})
