import { executionStatuses, type JobState } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  countFailuresInRow,
  deriveNextRunAt,
  deriveState,
  deriveStatus,
  type Standing,
} from '../../src/domain/status.ts'
import { monday } from '../fixtures.ts'

const active: Standing = { state: 'active', told: true, runAt: null, newest: null }
const ran = (status: (typeof executionStatuses)[number], fireAt = monday) => ({ newest: { status, fireAt } })

describe('the status of a job', () => {
  it.each<[string, Standing, string]>([
    ['CREATED until the scheduler has been told', { ...active, told: false }, 'CREATED'],
    ['SCHEDULED before anything ran', active, 'SCHEDULED'],
    ['the word of the newest execution', { ...active, ...ran('RETRYING') }, 'RETRYING'],
    ['the word of a one-shot that ran', { ...active, runAt: monday, ...ran('SUCCESS') }, 'SUCCESS'],
    [
      'SCHEDULED for a one-shot that was only triggered by hand',
      { ...active, runAt: monday + 1, ...ran('SUCCESS') },
      'SCHEDULED',
    ],
    ['PAUSED, whatever ran', { ...active, state: 'paused', ...ran('RUNNING') }, 'PAUSED'],
    ['CANCELLED, even when nobody has been told yet', { ...active, state: 'cancelled', told: false }, 'CANCELLED'],
  ])('is %s', (_name, standing, status) => {
    expect(deriveStatus(standing)).toBe(status)
  })
})

describe('the state of a job', () => {
  it.each<[string, Standing, string]>([
    ['completed once its one-shot is over', { ...active, runAt: monday, ...ran('FAILED') }, 'completed'],
    ['active while its one-shot retries', { ...active, runAt: monday, ...ran('RETRYING') }, 'active'],
    ['active while its one-shot is to come', { ...active, runAt: monday + 1, ...ran('SUCCESS') }, 'active'],
    ['active for ever when it recurs', { ...active, ...ran('SUCCESS') }, 'active'],
    [
      'cancelled, also when its one-shot is over',
      { ...active, state: 'cancelled', runAt: monday, ...ran('SUCCESS') },
      'cancelled',
    ],
  ])('is %s', (_name, standing, state) => {
    expect(deriveState(standing)).toBe(state)
  })
})

describe('the next run of a job', () => {
  const recurring = { kind: 'cron', cron: '* * * * *', timezone: 'UTC' } as const
  const once = (runAt: number) => ({ schedule: { kind: 'once', runAt } as const, standing: { ...active, runAt } })
  const never = () => null

  it('is what its schedule says', () => {
    expect(deriveNextRunAt(recurring, active, monday, () => monday + 60_000)).toBe(monday + 60_000)
    expect(deriveNextRunAt({ kind: 'manual' }, active, monday, never)).toBeNull()
  })

  it('is the time of a one-shot until that has run, also when it is late', () => {
    const early = once(monday + 5)
    expect(deriveNextRunAt(early.schedule, { ...early.standing, ...ran('SCHEDULED', monday + 5) }, monday, never)).toBe(
      monday + 5,
    )
    const late = once(monday - 5)
    expect(deriveNextRunAt(late.schedule, late.standing, monday, never)).toBe(monday - 5)
    expect(
      deriveNextRunAt(late.schedule, { ...late.standing, ...ran('RUNNING', monday - 5) }, monday, never),
    ).toBeNull()
  })

  it.each<JobState>(['paused', 'cancelled', 'deleted'])('is none while the job is %s', (state) => {
    expect(deriveNextRunAt(recurring, { ...active, state }, monday, () => monday)).toBeNull()
  })
})

describe('failures in a row', () => {
  it('count back to the last success, over what never ran', () => {
    expect(
      countFailuresInRow(['RUNNING', 'FAILED', 'SKIPPED', 'LOST', 'CANCELLED', 'FAILED', 'SUCCESS', 'FAILED']),
    ).toBe(3)
    expect(countFailuresInRow([])).toBe(0)
  })

  it('are never more than the failures there are, and none after a success', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...executionStatuses)), (statuses) => {
        const all = statuses.filter((status) => status === 'FAILED' || status === 'LOST').length
        expect(countFailuresInRow(statuses)).toBeLessThanOrEqual(all)
        expect(countFailuresInRow(['SUCCESS', ...statuses])).toBe(0)
      }),
    )
  })
})
