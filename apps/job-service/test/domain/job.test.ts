import { isRefusal, jobChangesMessage } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cancelledJob,
  changesLimit,
  checkTrigger,
  fencedChanges,
  type Job,
  toJobChanges,
} from '../../src/domain/job.ts'
import { jobOf, monday } from '../fixtures.ts'

function cancelled(job: Job, now: number): Job {
  const after = cancelledJob(job, now)
  if (isRefusal(after)) throw new Error(after.detail)
  return after
}

describe('a job', () => {
  it('begins active at version 1, with its creation as the only change', () => {
    const job = jobOf()
    expect(job).toMatchObject({ version: 1, state: 'active', createdAt: monday, changedAt: monday })
    expect(job.changes).toEqual([{ version: 1, changedAt: monday, kind: 'create', schedule: { kind: 'manual' } }])
    expect(fencedChanges(job)).toEqual([])
  })

  it('gets a new version and one more change when it is cancelled', () => {
    const after = cancelled(jobOf(), monday + 5)
    expect(after).toMatchObject({ version: 2, state: 'cancelled', changedAt: monday + 5, createdAt: monday })
    expect(fencedChanges(after).map(({ version, kind }) => [version, kind])).toEqual([[2, 'cancel']])
  })

  it('is the same job when it is cancelled again', () => {
    const once = cancelled(jobOf(), monday + 5)
    expect(cancelled(once, monday + 9)).toBe(once)
  })

  it('orders its changes even when the clock went back', () => {
    expect(cancelled(jobOf(), monday - 60_000).changedAt).toBe(monday + 1)
  })

  it('can be triggered until it is cancelled, and names what is allowed then', () => {
    expect(checkTrigger(jobOf())).toBeNull()
    expect(checkTrigger({ ...jobOf(), state: 'paused' })).toBeNull()
    expect(checkTrigger(cancelled(jobOf(), monday))).toMatchObject({
      code: 'illegal-transition',
      allowed: ['cancel'],
    })
  })

  it('refuses a change while its list of changes is full, with a time to retry after', () => {
    const [created] = jobOf().changes
    const full = {
      ...jobOf(),
      changes: Array.from({ length: changesLimit }, () => created as NonNullable<typeof created>),
    }
    expect(cancelledJob(full, monday)).toMatchObject({ code: 'too-many-requests', retryAfterS: 5 })
  })

  it('fits the schema of job-changes in every state', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 5 }), (moves) => {
        const job = moves.reduce((before, move) => cancelled(before, monday + move), jobOf())
        const message = jobChangesMessage.parse(toJobChanges(job))
        expect(message.version).toBe(message.changes.at(-1)?.version)
        const times = message.changes.map((change) => change.changedAt)
        expect(times).toEqual(times.toSorted((a, b) => a - b))
        expect(new Set(times).size).toBe(times.length)
      }),
    )
  })
})
