import { describe, expect, it } from 'vitest'
import {
  advanced,
  type EventId,
  type EventScope,
  eventIdText,
  executionEventOf,
  findGap,
  isAfter,
  isShown,
  jobEventOf,
  readEventId,
} from '../../src/domain/events.ts'
import { jobOf, monday, statusMessage } from '../fixtures.ts'

const position = { jobs: 12, executions: 3456 }

describe('the id of an event', () => {
  it('is read as it was written', () => {
    const id = { ...position, at: monday }
    expect(readEventId(eventIdText(id))).toEqual(id)
  })

  it.each(['', '1', '1.2', '1.2.3.4', 'a b.c.d', '-1.2.3', '1.2.zzzzzzzzzzzzz'])('is not "%s"', (text) => {
    expect(readEventId(text)).toBeNull()
  })
})

describe('a client that comes again', () => {
  const bounds = { behind: 100, keptSince: monday }
  const id: EventId = { ...position, at: monday }
  it.each([
    ['goes on at the same place', id, position, null],
    ['goes on after a few changes', id, { jobs: 112, executions: 3556 }, null],
    ['begins anew without an id that can be read', null, position, 'unknown-id'],
    ['begins anew after too many jobs', id, { ...position, jobs: 113 }, 'too-far-behind'],
    ['begins anew after too many executions', id, { ...position, executions: 3557 }, 'too-far-behind'],
    ['begins anew after a restore of the store', id, { ...position, jobs: 11 }, 'other-store'],
    ['begins anew when retention may have removed what it missed', { ...id, at: monday - 1 }, position, 'too-old'],
  ])('%s', (_, lastId, head, gap) => {
    expect(findGap(lastId, head, bounds)).toBe(gap)
  })
})

describe('an event', () => {
  const job = jobOf({ viewers: [{ id: 'usr-v', username: 'Vi' }] })
  const ofJob = jobEventOf(job, 13)
  const ofExecution = executionEventOf(statusMessage({ job, state: 'succeeded', endedAt: monday }), 3457, ['usr-v'])

  it('says what has changed', () => {
    expect(ofJob.data).toMatchObject({ jobId: job.id, change: 'create', version: 1, state: 'active' })
    expect(ofExecution.data).toMatchObject({
      jobId: job.id,
      status: 'SUCCESS',
      endedAt: new Date(monday).toISOString(),
    })
  })

  it('comes after a position by the number of its own kind, and moves that one alone', () => {
    expect([isAfter(ofJob, position), isAfter(ofJob, { ...position, jobs: 13 })]).toEqual([true, false])
    expect(advanced(position, ofJob)).toEqual({ ...position, jobs: 13 })
    expect(advanced(position, ofExecution)).toEqual({ ...position, executions: 3457 })
  })

  const none: EventScope = { ownerId: null, viewerId: null, jobId: null }
  it.each<[string, EventScope, boolean]>([
    ['its owner', { ...none, ownerId: 'usr-a', viewerId: 'usr-a' }, true],
    ['a viewer', { ...none, ownerId: 'usr-v', viewerId: 'usr-v' }, true],
    ['a viewer who follows the own jobs only', { ...none, ownerId: 'usr-v' }, false],
    ['its owner who follows shared jobs only', { ...none, viewerId: 'usr-a' }, false],
    ['others', { ...none, ownerId: 'usr-x', viewerId: 'usr-x' }, false],
    ['operators who follow all', none, true],
    ['one who follows the job', { ...none, jobId: job.id }, true],
    ['one who follows another job', { ...none, jobId: jobOf({ n: 2 }).id }, false],
  ])('is shown or not to %s', (_, scope, isSeen) => {
    expect([isShown(ofJob, scope), isShown(ofExecution, scope)]).toEqual([isSeen, isSeen])
  })
})
