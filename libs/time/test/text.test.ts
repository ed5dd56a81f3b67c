import { describe, expect, it } from 'vitest'
import { scheduleText } from '../src/index.ts'

describe('a schedule in English', () => {
  it.each([
    ['* * * * *', 'every minute'],
    ['*/5 * * * *', 'every 5 minutes'],
    ['* * * * * *', 'every second'],
    ['*/15 * * * * *', 'every 15 seconds'],
    ['0 * * * *', 'every hour'],
    ['@hourly', 'every hour'],
    ['7 * * * *', 'at minute 7 of every hour'],
    ['0 */2 * * *', 'every 2 hours'],
    ['@daily', 'at 00:00 every day'],
    ['30 2 * * *', 'at 02:30 every day'],
    ['15 30 2 * * *', 'at 02:30:15 every day'],
    ['30 2 * * 1-5', 'at 02:30 on Monday to Friday'],
    ['0 9,17 * * MON,thu', 'at 09:00 and 17:00 on Monday and Thursday'],
    ['0 9 * * 7', 'at 09:00 on Sunday'],
    ['@weekly', 'at 00:00 on Sunday'],
    ['@monthly', 'at 00:00 on day 1 of the month'],
    ['0 6 1,15 * *', 'at 06:00 on day 1 and 15 of the month'],
    ['0 6 L * ?', 'at 06:00 on the last day of the month'],
    ['0 0 13 * 5', 'at 00:00 on day 13 of the month or on Friday'],
    ['@yearly', 'at 00:00 on day 1 of the month in January'],
    ['0 0 * JUN-AUG *', 'at 00:00 in June to August'],
    ['*/10 9-17 * * 1-5', 'at minute */10 and hour 9-17 on Monday to Friday'],
    ['H H * * *', 'at minute H and hour H every day'],
    ['0 9 * * MON#2', 'at 09:00 on day of the week MON#2'],
    ['@every 90s', 'every 90 seconds'],
  ])('%s is "%s"', (cron, text) => {
    expect(scheduleText({ kind: 'cron', cron, timezone: 'UTC' })).toBe(text)
  })

  it('names an interval in its largest unit, and has no text for a time alone', () => {
    const every = (everyMs: number) => scheduleText({ kind: 'interval', everyMs, anchorAt: 0 })
    expect([every(86_400_000), every(7_200_000), every(90_000), every(1500)]).toEqual([
      'every day',
      'every 2 hours',
      'every 90 seconds',
      'every 1500 milliseconds',
    ])
    expect(scheduleText({ kind: 'once', runAt: 0 })).toBeNull()
  })
})
