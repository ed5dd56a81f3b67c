import { describe, expect, it } from 'vitest'
import { createScheduleCache } from '../../src/use-cases/schedule-cache.ts'

const cron = (text: string) => ({ kind: 'cron', cron: text, timezone: 'UTC' }) as const

describe('the schedule cache', () => {
  it('shares a cron among jobs, unless it has an H that their ids spread', () => {
    const compile = createScheduleCache(10)
    expect(compile(cron('* * * * *'), 'job-1')).toBe(compile(cron('* * * * *'), 'job-2'))
    expect(compile(cron('H * * * *'), 'job-1')).not.toBe(compile(cron('H * * * *'), 'job-2'))
  })

  it('drops the cron that was not used for longest', () => {
    const compile = createScheduleCache(2)
    const [first, second] = [compile(cron('1 * * * *'), ''), compile(cron('2 * * * *'), '')]
    expect(compile(cron('1 * * * *'), '')).toBe(first)
    compile(cron('3 * * * *'), '')
    expect(compile(cron('1 * * * *'), '')).toBe(first)
    expect(compile(cron('2 * * * *'), '')).not.toBe(second)
  })
})
