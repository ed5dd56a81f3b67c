import type { Problem, SchedulePreviewView } from '@belfry/contracts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hour, minute, noon } from '../fixtures.ts'
import { openWorld, type World } from '../world.ts'

let world: World
beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const iso = (at: number) => new Date(at).toISOString()
const preview = async (body: object) => {
  const answer = await world.preview(body, 'viewer')
  expect(answer.statusCode, answer.body).toBe(200)
  return answer.json() as SchedulePreviewView
}
const refused = async (body: object) => {
  const answer = await world.preview(body, 'viewer')
  return [answer.statusCode, (answer.json() as Problem).errors?.map(({ pointer, code }) => [pointer, code])]
}

describe('POST /schedules/preview', () => {
  it('answers the next times, in UTC and in local time, and the schedule in English', async () => {
    expect(await preview({ schedule: { cron: '30 9 * * 1-5', timezone: 'Europe/Berlin' }, count: 2 })).toEqual({
      schedule: { cron: '30 9 * * 1-5', timezone: 'Europe/Berlin' },
      runAt: null,
      text: 'at 09:30 on Monday to Friday',
      timezone: 'Europe/Berlin',
      times: [
        { at: '2026-06-02T07:30:00.000Z', local: '2026-06-02T09:30:00+02:00[Europe/Berlin]' },
        { at: '2026-06-03T07:30:00.000Z', local: '2026-06-03T09:30:00+02:00[Europe/Berlin]' },
      ],
      total: null,
      lastAt: null,
      warnings: [],
    })
    expect((await preview({ schedule: '@hourly' })).times).toHaveLength(10)
  })

  it('shows what the options make of it', async () => {
    const bounded = { schedule: '@hourly', startAt: iso(noon + 24 * hour), endAt: iso(noon + 27 * hour) }
    expect(await preview(bounded)).toMatchObject({ total: 4, lastAt: iso(noon + 27 * hour) })
    expect((await preview({ ...bounded, maxRuns: 2 })).times.map(({ at }) => at)).toEqual([
      iso(noon + 24 * hour),
      iso(noon + 25 * hour),
    ])
    expect(await preview({ schedule: '@hourly', maxRuns: 1000, count: 1 })).toMatchObject({
      total: 1000,
      lastAt: iso(noon + 1000 * hour),
    })
    const jittered = await preview({ schedule: '@hourly', jitter: '10m', count: 1 })
    expect(jittered.times).toMatchObject([{ at: iso(noon + hour) }])
    expect(jittered.warnings.map(({ code }) => code)).toEqual(['jitter'])
    expect((await preview({ schedule: 'H * * * *' })).warnings.map(({ code }) => code)).toEqual(['hashed-slot'])
  })

  it('answers from another moment on', async () => {
    const { times } = await preview({ schedule: '@daily', from: '2027-01-01T00:00:00Z', count: 1 })
    expect(times).toMatchObject([{ at: '2027-01-02T00:00:00.000Z' }])
  })

  it('warns of clock changes with the date, the effect and the rule, and of what else may surprise', async () => {
    const { warnings } = await preview({ schedule: { cron: '30 2 13 * SUN', timezone: 'Europe/Berlin' } })
    expect(warnings.map(({ code }) => code)).toEqual(['either-day', 'clock-change', 'clock-change'])
    expect(warnings[1]?.detail).toMatch(/^on 2026-10-25 .* \(rule: once\)$/)
  })

  it('takes every kind of schedule', async () => {
    expect(await preview({ schedule: { every: '90s' }, count: 1 })).toMatchObject({
      text: 'every 90 seconds',
      times: [{ at: iso(noon + 90_000) }],
    })
    expect(await preview({ delay: '1h' })).toMatchObject({ runAt: iso(noon + hour), total: 1, text: null })
    const past = await preview({ runAt: iso(noon - hour), expiresAfter: '1m' })
    expect(past.warnings.map(({ code }) => code)).toEqual(['expired'])
    expect(await preview({ schedule: null })).toMatchObject({ times: [], total: 0, schedule: null })
  })

  it('refuses what a job would be refused for, with every field', async () => {
    expect(await refused({ schedule: '0 0 31 2 *' })).toEqual([422, [['/schedule', 'never-fires']]])
    expect(await refused({ schedule: '@daily', endAt: iso(noon + minute) })).toEqual([422, [['/endAt', 'never-fires']]])
    expect(await refused({ schedule: '61 * * * *', expiresAfter: '1m' })).toEqual([
      400,
      [
        ['/schedule', 'out-of-range'],
        ['/expiresAfter', 'not-applicable'],
      ],
    ])
    expect((await refused({ schedule: '@daily', count: 101 }))[0]).toBe(400)
    expect((await refused({ schedule: '@daily', name: 'x' }))[0]).toBe(400)
    expect((await world.preview({ schedule: '@daily' })).statusCode).toBe(401)
  })
})
