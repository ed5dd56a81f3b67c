import { type ExecutionState, isRefusal, type JobChange, type OverlapPolicy } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Admission,
  type Applicant,
  applyChanges,
  closedAs,
  type Floor,
  maxFloors,
  openAdmission,
  settled,
  takePlace,
} from '../../src/admission/admission.ts'

const change = (version: number, kind: JobChange['kind'], changedAt = version * 100): JobChange => ({
  version,
  kind,
  changedAt,
  schedule: { kind: 'manual' },
})
const applicant = (version: number, fireAt: number, cause: Applicant['cause'] = 'schedule') => ({
  version,
  fireAt,
  cause,
})
const open = openAdmission('job-1')

function apply(admission: Admission, changes: JobChange[], openOnes: Applicant[] = []): Admission {
  const next = applyChanges(admission, changes, openOnes)
  if (isRefusal(next)) throw new Error(next.detail)
  return next
}

describe('the admission of a job', () => {
  it('is open to everything without changes', () => {
    expect(closedAs(open, applicant(1, 5))).toBe(null)
  })

  it.each(['cancel', 'pause', 'delete'] as const)(
    'closes every older version after a %s, whatever the fire time',
    (kind) => {
      const admission = apply(open, [change(1, 'create'), change(2, kind)])
      expect(closedAs(admission, applicant(1, 0))).toBe('cancelled')
      expect(closedAs(admission, applicant(1, 0, 'manual'))).toBe('cancelled')
      expect(closedAs(admission, applicant(2, 0))).toBe(null)
    },
  )

  it.each(['update', 'resume'] as const)(
    'closes older fire times after a %s only past the change, and no trigger',
    (kind) => {
      const admission = apply(open, [change(2, kind, 200)])
      expect(closedAs(admission, applicant(1, 200))).toBe(null)
      expect(closedAs(admission, applicant(1, 201))).toBe('superseded')
      expect(closedAs(admission, applicant(1, 201, 'manual'))).toBe(null)
      expect(closedAs(admission, applicant(2, 201))).toBe(null)
    },
  )

  it('answers the same for the same changes', () => {
    const changes = [change(1, 'create'), change(2, 'update'), change(3, 'cancel')]
    const admission = apply(open, changes)
    expect(admission).toMatchObject({ minVersion: 3, floors: [], rev: 1 })
    expect(apply(admission, changes)).toBe(admission)
  })

  it('is unsettled from each change on until what that change closes has ended', () => {
    const first = apply(open, [change(2, 'update')])
    const second = apply(first, [change(3, 'pause')])
    expect([open.unsettled, first.unsettled, second.unsettled]).toEqual([0, 1, 2])
    expect(settled(second, first.unsettled)).toBe(second)
    expect(settled(second, second.unsettled)).toMatchObject({ minVersion: 3, unsettled: 0, rev: 3 })
    expect(apply(settled(second, 2), [change(3, 'pause')])).toMatchObject({ unsettled: 0 })
  })

  const anyChange = fc
    .tuple(
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom<JobChange['kind']>('create', 'update', 'pause', 'resume', 'cancel', 'delete'),
    )
    .map(([version, kind]) => change(version, kind))
  const anyHistory = fc.uniqueArray(anyChange, { selector: (one) => one.version, maxLength: 12 })

  it('does not depend on the order, number and size of the deliveries', () => {
    fc.assert(
      fc.property(anyHistory, fc.array(fc.nat(), { maxLength: 30 }), (history, order) => {
        const whole = apply(
          open,
          history.toSorted((a, b) => a.version - b.version),
        )
        let piecewise: Admission = open
        for (const index of order) {
          const one = history[index % Math.max(1, history.length)]
          if (one) piecewise = apply(piecewise, [one])
        }
        for (const one of history) piecewise = apply(piecewise, [one])
        expect({ ...piecewise, rev: 0, unsettled: 0 }).toEqual({ ...whole, rev: 0, unsettled: 0 })
      }),
    )
  })

  it('closes exactly what some change closes', () => {
    fc.assert(
      fc.property(
        anyHistory,
        fc.integer({ min: 1, max: 13 }),
        fc.integer({ min: 0, max: 1300 }),
        (history, version, fireAt) => {
          const admission = apply(open, history)
          const stops = history.some((one) => ['pause', 'cancel', 'delete'].includes(one.kind) && one.version > version)
          const moves = history.some(
            (one) => ['update', 'resume'].includes(one.kind) && one.version > version && one.changedAt < fireAt,
          )
          expect(closedAs(admission, applicant(version, fireAt)) !== null).toBe(stops || moves)
        },
      ),
    )
  })

  const full = (): Floor[] => Array.from({ length: maxFloors }, (_, i) => ({ version: i + 2, fromAt: (i + 2) * 100 }))

  it('joins its oldest floors beyond the limit, and leaves open what is open', () => {
    const between = applicant(2, 250)
    const admission = apply({ ...open, floors: full(), rev: 1 }, [change(maxFloors + 2, 'update')], [between])
    expect(admission.floors).toHaveLength(maxFloors)
    // Versions 2 and 3 have something open between them, so 3 and 4 were joined.
    expect(admission.floors.slice(0, 2)).toEqual([
      { version: 2, fromAt: 200 },
      { version: 4, fromAt: 300 },
    ])
    expect(closedAs(admission, between)).toBe(null)
  })

  it('joins no floors of versions that the job still lists: commands of them may be on their way', () => {
    const changes = [change(3, 'update'), change(maxFloors + 2, 'update')]
    const joined = apply({ ...open, floors: full() }, changes)
    expect(joined.floors[0]).toEqual({ version: 3, fromAt: 200 })
    const answer = applyChanges({ ...open, floors: full() }, [change(2, 'update'), ...changes], [])
    expect(answer).toMatchObject({ code: 'too-many-requests' })
  })

  it('refuses a change when its floors are full and something is open between any two', () => {
    const openOnes = Array.from({ length: maxFloors + 1 }, (_, i) => applicant(i + 2, (i + 2) * 100 + 50))
    const answer = applyChanges({ ...open, floors: full() }, [change(maxFloors + 2, 'update')], openOnes)
    expect(answer).toMatchObject({ code: 'too-many-requests', retryAfterS: 60 })
  })
})

describe('overlap places', () => {
  const states = new Map([
    ['runs', 'running'],
    ['waits', 'ready'],
    ['over', 'succeeded'],
  ] as const)
  const stateOf = (id: string) => states.get(id as 'runs')
  const holding = (places: string[], waiting: string[] = []): Admission => ({ ...open, places, waiting, rev: 7 })
  const take = (
    admission: Admission,
    policy: OverlapPolicy['policy'],
    limit = 1,
    of: (id: string) => ExecutionState | undefined = stateOf,
  ) => {
    const { admission: after, ...answer } = takePlace(admission, 'mine', { policy, limit }, of)
    return { ...answer, places: after.places, waiting: after.waiting, isSame: after === admission }
  }
  const start = { decision: 'start' }

  it.each([
    ['none is held', [], start, ['mine']],
    ['the one held has ended', ['over'], start, ['mine']],
    ['the one held is of a record that is gone', ['gone'], start, ['mine']],
    ['the one held runs', ['runs'], { decision: 'skip', blockedBy: 'runs' }, ['runs']],
    ['the one held waits for its retry', ['waits'], { decision: 'skip', blockedBy: 'waits' }, ['waits']],
    ['it is its own', ['mine'], start, ['mine']],
  ])('when %s', (_, held, answer, places) => {
    expect(take(holding(held), 'skip')).toMatchObject({ ...answer, places })
  })

  it('are kept by a compare-and-set: another claim may have read them while this execution was at rest', () => {
    const answer = takePlace(holding(['mine']), 'mine', { policy: 'skip', limit: 1 }, stateOf)
    expect(answer).toEqual({ decision: 'start', admission: { ...holding(['mine']), rev: 8 } })
  })

  it('are as many as the limit', () => {
    const answer = takePlace(holding(['runs', 'over']), 'mine', { policy: 'skip', limit: 2 }, stateOf)
    expect(answer).toMatchObject({ decision: 'start', admission: { places: ['runs', 'mine'], rev: 8 } })
    const other = takePlace(answer.admission, 'other', { policy: 'allow', limit: 2, isLimited: true }, () => 'running')
    expect(other).toEqual({ decision: 'skip', blockedBy: 'runs', admission: answer.admission })
  })

  it.each(['queue', 'cancel-running'] as const)(
    'are waited for by one, and each further one is skipped: %s',
    (policy) => {
      const cancel = policy === 'cancel-running' ? ['runs'] : []
      const waits = { decision: 'wait', blockedBy: 'runs', cancel, places: ['runs'], waiting: ['mine'] }
      expect(take(holding(['runs']), policy)).toEqual({ ...waits, isSame: false })
      expect(take(holding(['runs'], ['mine']), policy)).toEqual({ ...waits, isSame: true })
      expect(take(holding(['runs'], ['waits']), policy)).toMatchObject({
        decision: 'skip',
        blockedBy: 'waits',
        isSame: true,
      })
      expect(take(holding(['runs'], ['over']), policy)).toEqual({ ...waits, isSame: false })
    },
  )

  it('go to the one that waits, and not to a newcomer', () => {
    const waits = {
      decision: 'wait',
      blockedBy: 'waits',
      cancel: [],
      places: ['waits'],
      waiting: ['mine'],
      isSame: false,
    }
    expect(take(holding(['over'], ['waits']), 'queue')).toEqual(waits)
    expect(take(holding(['over'], ['waits']), 'skip')).toMatchObject({
      decision: 'skip',
      blockedBy: 'waits',
      isSame: true,
    })
    expect(take(holding(['over'], ['waits']), 'queue', 2)).toMatchObject({
      ...start,
      places: ['waits', 'mine'],
      waiting: [],
    })
    expect(take(holding(['over'], ['mine']), 'queue')).toMatchObject({ ...start, places: ['mine'], waiting: [] })
    expect(take(holding(['over'], ['over']), 'queue')).toMatchObject({ ...start, places: ['mine'], waiting: [] })
  })

  it('are cancelled for a newer one, however many are in its way', () => {
    const running = () => 'running' as const
    const answer = take(holding(['a', 'b']), 'cancel-running', 2, running)
    expect(answer).toMatchObject({ decision: 'wait', blockedBy: 'a', cancel: ['a', 'b'], waiting: ['mine'] })
  })
})
