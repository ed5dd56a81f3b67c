import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fireTimesOf } from './schedules.ts'

interface Row {
  zone: string
  after: number
  cron: string
  fires: string[]
}

const rows = readFileSync(new URL('golden.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line): Row => {
    const [zone, after, cron, fires] = line.split(' | ') as [string, string, string, string]
    return { zone, after: Date.parse(after), cron, fires: fires.split(' ') }
  })

/** Date.parse does not take Monrovia's offset with seconds. */
function momentOf(text: string): number {
  const [, local, sign, hours, minutes, seconds] = /^(.+)([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(text) as RegExpExecArray
  const offset = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds ?? 0)
  return Date.parse(`${local}Z`) - (sign === '-' ? -offset : offset) * 1000
}

describe('the golden table', () => {
  it('pins at least 200 schedules in at least 15 zones', () => {
    expect(rows.length).toBeGreaterThanOrEqual(200)
    expect(new Set(rows.map((row) => row.zone)).size).toBeGreaterThanOrEqual(15)
  })

  it.each(rows)('$zone: $cron fires at $fires', ({ zone, after, cron, fires }) => {
    const times = fireTimesOf({ kind: 'cron', cron, timezone: zone })
    const expected = fires.map(momentOf)
    expect(times.nextMany(after, fires.length)).toEqual(expected)
    expect(times.count(after + 1, expected.at(-1) as number)).toBe(fires.length)
    expect(times.last(after + 1, expected.at(-1) as number)).toBe(expected.at(-1))
  })
})
