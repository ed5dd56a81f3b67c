import type { JobChange } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { decisionsOf } from '../../src/domain/decided.ts'
import { jobOf, monday } from '../fixtures.ts'

const at = (minutes: number) => monday + minutes * 60_000
const job = jobOf()
const changed = (version: number, minutes: number): JobChange => {
  return { version, changedAt: at(minutes), kind: 'update', schedule: { kind: 'manual' } }
}
const runs = (version: number, next: number | null, pending: number[] = []) => {
  const nextFireAt = next === null ? null : at(next)
  return { id: job.id, version, fired: 1, lastFireAt: null, nextFireAt, pending: pending.map(at) }
}

describe('what the scheduler has decided on fire times', () => {
  const words = (decide: ReturnType<typeof decisionsOf>) => [-1, 0, 1, 2, 3, 4].map((minutes) => decide(at(minutes)))

  it.each([
    ['nothing after the creation of a job that it does not know', undefined, [], 'ddoooo'],
    ['what lies before its next fire time', runs(1, 2), [], 'dddooo'],
    ['all, but for what waits for the executors, of a schedule without one', runs(1, null, [1]), [], 'ddpddd'],
    ['nothing after a change that it has not applied', runs(2, null), [changed(2, 0), changed(3, 1)], 'dddooo'],
    ['what lies before its next fire time, also before such a change', runs(2, 1), [changed(3, 3)], 'ddoooo'],
    ['what it says where it has applied a newer change', runs(4, 4), [changed(3, 1)], 'dddddo'],
  ] as const)('%s', (_name, known, changes, expected) => {
    const decide = decisionsOf({ ...job, changes: [...job.changes, ...changes] }, known)
    const letters = { decided: 'd', undecided: 'o', pending: 'p' } as const
    expect(
      words(decide)
        .map((word) => letters[word])
        .join(''),
    ).toBe(expected)
  })
})
