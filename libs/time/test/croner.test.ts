import { Cron } from 'croner'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileSchedule } from '../src/index.ts'
import { cronText } from './cron-text.ts'
import { changeAfter, dayMs, momentsIn } from './moments.ts'
import { coversTheDayText, hasSeveralSlotsText, localTimeAt } from './naive.ts'

/**
 * croner 11 as the oracle, over what both mean the same by. On purpose different, and left out or asked for here:
 * - croner takes a schedule for fixed when its seconds, minutes and hours have no `*` and no step (rule `no-wildcard`).
 *   Belfry goes by the hours where the clock jumps forward, and by the hours and the slots of an hour where it goes back.
 *   Where the two differ, only periods without a clock change are compared.
 * - croner drops a fixed time when the jump leads into another day (Apia 2011, Nuuk), Belfry fires after the jump: such
 *   zones are in the golden table instead.
 * - croner gives null for what never fires, Belfry refuses it.
 * - croner has no `H`, `L-3`, `@every`, `5/10`; it takes dates and a field of years, Belfry refuses both.
 */
const zones = [
  'UTC',
  'Europe/Berlin',
  'Europe/London',
  'America/New_York',
  'America/Los_Angeles',
  'America/St_Johns',
  'America/Sao_Paulo',
  'America/Havana',
  'Africa/Cairo',
  'Africa/Casablanca',
  'Antarctica/Troll',
  'Asia/Beirut',
  'Asia/Kolkata',
  'Asia/Tehran',
  'Australia/Lord_Howe',
  'Australia/Sydney',
  'Pacific/Chatham',
]

const compared = 6

const cases = fc
  .constantFrom(...zones)
  .chain((zone) => fc.record({ zone: fc.constant(zone), cron: cronText, after: momentsIn(zone, 1000) }))

function isFixedForCroner(cron: string): boolean {
  const fields = cron.split(' ')
  return !/[*/]/.test(fields.slice(0, fields.length === 6 ? 3 : 2).join(' '))
}

/** Whether Belfry and croner mean the same by this cron at a change that moves the clock forward, or back. */
function agreeAt(cron: string, forward: boolean): boolean {
  const follows = coversTheDayText(cron) || (!forward && hasSeveralSlotsText(cron))
  return follows !== isFixedForCroner(cron)
}

function changesIn(zone: string, from: number, to: number): number[] {
  const changes: number[] = []
  for (let at = changeAfter(zone, from); at !== null && at <= to; at = changeAfter(zone, at)) changes.push(at)
  return changes
}

function isForward(zone: string, change: number): boolean {
  return localTimeAt(change, zone) - localTimeAt(change - 1000, zone) > 1000
}

function croner(cron: string, zone: string, after: number): number[] {
  const oracle = new Cron(cron, { timezone: zone, paused: true, fixedTimeRule: 'no-wildcard' })
  return oracle.nextRuns(compared, new Date(after)).map((date) => date.getTime())
}

describe('fire times', () => {
  it('are those that croner finds', () => {
    let same = 0
    fc.assert(
      fc.property(cases, ({ zone, cron, after }) => {
        const times = compileSchedule({ kind: 'cron', cron, timezone: zone }, 'job-1')
        if ('issue' in times) {
          expect(times.issue.code).toBe('never-fires')
          expect(croner(cron, zone, after)).toEqual([])
          return
        }
        const ours = times.nextMany(after, compared)
        const changes = changesIn(zone, after - dayMs, (ours.at(-1) as number) + dayMs)
        if (!changes.every((change) => agreeAt(cron, isForward(zone, change)))) return
        same++
        expect(ours).toEqual(croner(cron, zone, after))
      }),
      { numRuns: 2000 },
    )
    expect(same).toBeGreaterThan(1000)
  }, 30_000)
})
