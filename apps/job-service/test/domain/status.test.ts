import { type ExecutionStatus, executionStatuses, type JobState } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  countFailuresInRow,
  deriveNextRunAt,
  deriveState,
  deriveStatus,
  type HandedOver,
  noExecutions,
  type StatusInput,
} from '../../src/domain/status.ts'
import { monday } from '../fixtures.ts'

const active: StatusInput = { state: 'active', isPublished: true, runAt: null, ...noExecutions }
const known = (status: ExecutionStatus, fireAt = monday, id = `exe-${fireAt}`) => ({
  id,
  fireAt,
  status,
  endedAt: null,
})
const last = (status: ExecutionStatus, fireAt?: number, id?: string) => ({ last: known(status, fireAt, id) })
const running = (fireAt?: number) => ({ running: known('RUNNING', fireAt) })
const retrying = (fireAt?: number, id?: string) => ({ retrying: known('RETRYING', fireAt, id) })

describe('the status of a job', () => {
  it.each<[string, StatusInput, string]>([
    ['CREATED until it is published', { ...active, isPublished: false, ...last('FAILED') }, 'CREATED'],
    ['SCHEDULED before anything ran', active, 'SCHEDULED'],
    ['the outcome of the newest that has ended', { ...active, ...last('FAILED') }, 'FAILED'],
    [
      'RUNNING while one is running, whatever else is newer',
      { ...active, ...running(monday - 9), ...retrying() },
      'RUNNING',
    ],
    ['RUNNING while an older one is running', { ...active, ...running(monday - 9), ...last('FAILED') }, 'RUNNING'],
    [
      'RETRYING when the newest waits for a retry',
      { ...active, ...retrying(), ...last('FAILED', monday - 9) },
      'RETRYING',
    ],
    ['RETRYING when nothing has ended yet', { ...active, ...retrying() }, 'RETRYING'],
    [
      'the outcome when one before it waits for a retry',
      { ...active, ...retrying(monday - 9), ...last('SUCCESS') },
      'SUCCESS',
    ],
    [
      'by id at the same fire time: the retry',
      { ...active, ...retrying(monday, 'exe-b'), ...last('SUCCESS', monday, 'exe-a') },
      'RETRYING',
    ],
    [
      'by id at the same fire time: the end',
      { ...active, ...retrying(monday, 'exe-a'), ...last('LOST', monday, 'exe-b') },
      'LOST',
    ],
    ['the outcome of a one-shot that ran', { ...active, runAt: monday, ...last('SUCCESS') }, 'SUCCESS'],
    [
      'SCHEDULED for a one-shot that was only triggered by hand',
      { ...active, runAt: monday + 1, ...last('SUCCESS') },
      'SCHEDULED',
    ],
    ['RUNNING for a one-shot while that trigger is running', { ...active, runAt: monday + 1, ...running() }, 'RUNNING'],
    ['PAUSED, whatever is running', { ...active, state: 'paused', ...running() }, 'PAUSED'],
    ['CANCELLED, also before it is published', { ...active, state: 'cancelled', isPublished: false }, 'CANCELLED'],
  ])('is %s', (_name, input, status) => {
    expect(deriveStatus(input)).toBe(status)
  })
})

describe('the state of a job', () => {
  it.each<[string, StatusInput, string]>([
    ['completed once its one-shot is over', { ...active, runAt: monday, ...last('FAILED') }, 'completed'],
    ['active while its one-shot retries', { ...active, runAt: monday, ...retrying() }, 'active'],
    [
      'active while its one-shot is running',
      { ...active, runAt: monday, ...running(), ...last('SUCCESS', monday + 5) },
      'active',
    ],
    ['active while its one-shot is to come', { ...active, runAt: monday + 1, ...last('SUCCESS') }, 'active'],
    ['active for ever when it recurs', { ...active, ...last('SUCCESS') }, 'active'],
    [
      'cancelled, also when its one-shot is over',
      { ...active, state: 'cancelled', runAt: monday, ...last('SUCCESS') },
      'cancelled',
    ],
  ])('is %s', (_name, input, state) => {
    expect(deriveState(input)).toBe(state)
  })
})

describe('the state of a job whose recurring schedule has no fire time left', () => {
  it('is completed once nothing of it runs', () => {
    expect(deriveState({ ...active, ...last('SUCCESS') }, true)).toBe('completed')
    expect(deriveState(active, true)).toBe('completed')
    expect(deriveState({ ...active, ...running() }, true)).toBe('active')
    expect(deriveState({ ...active, ...retrying() }, true)).toBe('active')
    expect(deriveState({ ...active, state: 'paused' }, true)).toBe('paused')
  })
})

describe('the next fire time of a job', () => {
  const recurring = { kind: 'cron', cron: '* * * * *', timezone: 'UTC' } as const
  const minute = 60_000
  const nextMinute = (after: number) => Math.floor(after / minute) * minute + minute
  const nextOf = (handedOver: Partial<HandedOver>, now = monday, input = active) =>
    deriveNextRunAt(recurring, input, { ...noExecutions, ...handedOver }, now, nextMinute)
  const nextOfOnce = (runAt: number, more: Partial<StatusInput>, now = monday) =>
    deriveNextRunAt({ kind: 'once', runAt }, { ...active, runAt, ...more }, noExecutions, now, () => null)

  it('is the next one of its schedule', () => {
    expect(nextOf({})).toBe(monday + minute)
    expect(deriveNextRunAt({ kind: 'manual' }, active, noExecutions, monday, () => null)).toBeNull()
  })

  it('is none after the last run that `maxRuns` allows, but for one that is handed over', () => {
    const lastAt = monday + minute
    expect(nextOf({ lastAt, newestAt: lastAt })).toBeNull()
    expect(nextOf({ lastAt, newestAt: lastAt, waitingAt: lastAt })).toBe(lastAt)
    // The scheduler has issued it ahead of its time, and no execution is known yet.
    expect(nextOf({ lastAt })).toBe(lastAt)
  })

  it('is the fire time that was handed over and has not started, also when it is late', () => {
    const newestAt = monday + minute
    expect(nextOf({ waitingAt: newestAt, newestAt })).toBe(newestAt)
    expect(nextOf({ waitingAt: monday - minute, newestAt })).toBe(monday - minute)
  })

  it('is the one after those that were handed over, once all of them have started', () => {
    expect(nextOf({ newestAt: monday })).toBe(monday + minute)
    expect(nextOf({ newestAt: monday + minute })).toBe(monday + 2 * minute)
  })

  it('is the one of the scheduler although the clock was set back', () => {
    expect(nextOf({ newestAt: monday }, monday - 60 * minute)).toBe(monday + minute)
  })

  it('is the time of a one-shot until that has started, also when it is late', () => {
    expect(nextOfOnce(monday + 5, {})).toBe(monday + 5)
    expect(nextOfOnce(monday - 5, {})).toBe(monday - 5)
    expect(nextOfOnce(monday + 5, last('SUCCESS', monday))).toBe(monday + 5)
    for (const more of [running(), retrying(), last('FAILED')]) expect(nextOfOnce(monday, more)).toBeNull()
    // Also when the clock was set back after it.
    expect(nextOfOnce(monday, last('SUCCESS'), monday - minute)).toBeNull()
  })

  it.each<JobState>(['paused', 'cancelled', 'deleted'])('is none while the job is %s', (state) => {
    expect(nextOf({ waitingAt: monday, newestAt: monday }, monday, { ...active, state })).toBeNull()
  })
})

describe('failures in a row', () => {
  it('count back to the last success, without executions that never ran', () => {
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
