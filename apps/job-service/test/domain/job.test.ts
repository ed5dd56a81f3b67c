import { isRefusal, jobChangesMessage, type Refusal } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  afterPause,
  cancelledJob,
  changesLimit,
  checkAction,
  deletedJob,
  fencedChanges,
  type Job,
  pausedJob,
  resumedJob,
  toJobChanges,
  trimChanges,
  updatedJob,
} from '../../src/domain/job.ts'
import { jobOf, monday } from '../fixtures.ts'

function made(after: Job | Refusal): Job {
  if (isRefusal(after)) throw new Error(after.detail)
  return after
}
const cancelled = (job: Job, now: number) => made(cancelledJob(job, now))
const deleted = (job: Job, now: number) => made(deletedJob(job, now))
const paused = (job: Job, until: number | null = null, now = monday + 1) => made(pausedJob(job, until, now))
const renamed = (job: Job, name: string) => ({ spec: { ...job.spec, name }, warnings: [] })

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
    expect(checkAction(jobOf(), 'trigger')).toBeNull()
    expect(checkAction({ ...jobOf(), state: 'paused' }, 'trigger')).toBeNull()
    expect(checkAction(cancelled(jobOf(), monday), 'trigger')).toMatchObject({
      code: 'illegal-transition',
      allowed: ['delete'],
    })
  })

  it('gets its new spec and warnings with an update, whose change has the new schedule', () => {
    const job = jobOf()
    const schedule = { kind: 'interval', everyMs: 5000, anchorAt: monday } as const
    const warnings = [{ code: 'a', detail: 'b' }]
    const after = made(updatedJob(job, { spec: { ...job.spec, schedule }, warnings }, monday + 5))
    expect(after).toMatchObject({ version: 2, state: 'active', spec: { schedule }, warnings, changedAt: monday + 5 })
    expect(fencedChanges(after)).toEqual([{ version: 2, changedAt: monday + 5, kind: 'update', schedule }])
  })

  it('is the same job after an update that changes nothing', () => {
    const job = jobOf()
    expect(updatedJob(job, { spec: structuredClone(job.spec), warnings: [] }, monday + 5)).toBe(job)
  })

  it('stays paused when it is updated', () => {
    const job = paused(jobOf(), monday + 99)
    expect(updatedJob(job, renamed(job, 'other'), monday + 5)).toMatchObject({
      version: 3,
      state: 'paused',
      pauseUntil: monday + 99,
    })
  })

  it('is paused once, and only the end of its pause can change then', () => {
    const once = paused(jobOf(), monday + 60_000)
    expect(once).toMatchObject({ version: 2, state: 'paused', pauseUntil: monday + 60_000 })
    expect(paused(once, monday + 60_000)).toBe(once)
    const longer = paused(once, null)
    expect(longer).toMatchObject({ version: 3, state: 'paused', pauseUntil: null })
    expect(fencedChanges(longer).map(({ kind }) => kind)).toEqual(['pause', 'update'])
  })

  it('is active again after a resume, which an active job does not need', () => {
    const job = paused(jobOf(), monday + 60_000)
    const after = made(resumedJob(job, monday + 5))
    expect(after).toMatchObject({ version: 3, state: 'active', pauseUntil: null })
    expect(resumedJob(after, monday + 9)).toBe(after)
  })

  it('resumes by itself right before the end of its pause, however late', () => {
    const job = paused(jobOf(), monday + 60_000)
    expect(afterPause(job, monday + 59_999)).toBe(job)
    const after = made(afterPause(job, monday + 3_600_000))
    expect(after).toMatchObject({ version: 3, state: 'active', pauseUntil: null, changedAt: monday + 59_999 })
    expect(after.changes.at(-1)).toMatchObject({ kind: 'resume', changedAt: monday + 59_999 })
    for (const other of [jobOf(), paused(jobOf())]) expect(afterPause(other, monday + 3_600_000)).toBe(other)
  })

  it('can only be deleted once it is cancelled', () => {
    const job = cancelled(jobOf(), monday)
    const refused = { code: 'illegal-transition', allowed: ['delete'] }
    expect(updatedJob(job, renamed(job, 'other'), monday)).toMatchObject(refused)
    expect(pausedJob(job, null, monday)).toMatchObject(refused)
    expect(resumedJob(job, monday)).toMatchObject(refused)
    expect(deleted(job, monday)).toMatchObject({ version: 3, state: 'deleted' })
  })

  it('takes nothing any more once it is deleted, and stays as it is when it is deleted again', () => {
    const job = deleted(paused(jobOf(), monday + 99), monday + 5)
    expect(job).toMatchObject({ version: 3, state: 'deleted', pauseUntil: null })
    expect(deleted(job, monday + 9)).toBe(job)
    for (const change of [cancelledJob, resumedJob]) expect(change(job, monday)).toMatchObject({ allowed: [] })
  })

  it('refuses a change while its list of changes is full, with a time to retry after', () => {
    const [created] = jobOf().changes
    const full = {
      ...jobOf(),
      changes: Array.from({ length: changesLimit }, () => created as NonNullable<typeof created>),
    }
    expect(cancelledJob(full, monday)).toMatchObject({ code: 'too-many-requests', retryAfterS: 5 })
  })

  it('has room for changes again once executors and scheduler are past the oldest', () => {
    let job = jobOf()
    for (let n = 0; n < changesLimit - 1; n++) job = made(updatedJob(job, renamed(job, `name ${n}`), monday + n))
    expect(updatedJob(job, renamed(job, 'next'), monday)).toMatchObject({ code: 'too-many-requests' })
    const versions = (fenced: number, scheduler: number) =>
      trimChanges(job, fenced, scheduler).changes.map(({ version }) => version)
    expect(versions(1, 32)).toHaveLength(32)
    expect(versions(32, 31)).toEqual([31, 32])
    expect(versions(30, 99)).toEqual([30, 31, 32])
    expect(versions(99, 99)).toEqual([32])
    const after = made(updatedJob(trimChanges(job, 32, 32), renamed(job, 'next'), monday + 99))
    expect(after.changes.map(({ version }) => version)).toEqual([32, 33])
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
