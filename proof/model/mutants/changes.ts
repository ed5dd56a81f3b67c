import { isRefusal } from '@belfry/contracts'
import type { Admission } from '../../../apps/executor-service/src/admission/admission.ts'
import type { Rules } from '../rules.ts'
import { lapse, type Mutant, queue, twoTimes } from './mutant.ts'

/** `admitJob` with another admission to decide closing by; what it stores has the real floors. */
function closing(real: Rules, change: (admission: Admission) => Partial<Admission>): Partial<Rules> {
  return {
    admitJob: (admission, claims, stateOf, decisions) => {
      const changed = { ...admission, ...change(admission) }
      const after = real.admitJob(changed, claims, stateOf, decisions)
      const { minVersion, floors } = admission
      return after === changed ? admission : { ...after, minVersion, floors }
    },
    // The loop that settles would else close what has just been let through.
    closeReady: (execution) => execution,
  }
}

const joins = {
  hasWholeRuns: true,
  operations: { count: 3, kinds: ['update'] },
  changesLimit: 2,
  floorLimit: 2,
} as const
const update = { operations: { count: 1, kinds: ['update'] } } as const
const cancel = { operations: { count: 1, kinds: ['cancel'] } } as const

/** Guards of changes, fences and floors (docs/protocol.md steps 1 and 2). */
export const changeMutants: readonly Mutant[] = [
  {
    name: 'claims-ignore-floors',
    about: 'a claim does not look at the floors of the admission',
    search: update,
    mutate: (real) => closing(real, () => ({ floors: [] })),
    breaks: ['I8'],
  },
  {
    name: 'claims-ignore-min-version',
    about: 'a claim does not look at the lowest version that may start',
    search: cancel,
    mutate: (real) => closing(real, () => ({ minVersion: 0 })),
    breaks: ['I8'],
  },
  {
    name: 'floor-closes-its-own-moment',
    about: 'a floor closes the fire time at the very moment of the change',
    search: update,
    mutate: (real) =>
      closing(real, ({ floors }) => ({ floors: floors.map((one) => ({ ...one, fromAt: one.fromAt - 1 })) })),
    breaks: ['I1'],
  },
  {
    name: 'update-replaces-floors',
    about: 'a newer floor takes the place of the older ones',
    search: { operations: { count: 2, kinds: ['update'] } },
    mutate: (real) => ({
      fenceAdmission: (admission, changes, open, limit) => {
        const after = real.fenceAdmission(admission, changes, open, limit)
        return isRefusal(after) || after === admission ? after : { ...after, floors: after.floors.slice(-1) }
      },
    }),
    breaks: ['I8'],
  },
  {
    name: 'fence-lists-before-it-writes',
    about: 'the fence lists what runs before it has written the admission',
    search: { ...cancel, executors: 2 },
    mutate: () => ({ fenceOrder: ['running', 'doubt', 'write'] }),
    breaks: ['I8'],
  },
  {
    name: 'fence-lists-doubt-first',
    about: 'the fence lists what is in doubt before what runs',
    search: { ...cancel, ...lapse, suspends: true },
    mutate: () => ({ fenceOrder: ['write', 'doubt', 'running'] }),
    breaks: ['I8'],
  },
  {
    name: 'lost-without-doubt',
    about: 'an epoch that was lost is not in doubt',
    search: { ...cancel, ...lapse, suspends: true },
    mutate: (real) => ({ lose: (execution, input) => real.lose(execution, { ...input, inDoubt: false }) }),
    breaks: ['I8'],
  },
  {
    name: 'fence-is-not-repeated',
    about: 'a fence whose answer did not come is not sent again',
    search: update,
    mutate: () => ({ repeatsFence: () => false }),
    breaks: ['I10'],
  },
  {
    name: 'trims-what-is-unknown',
    about: 'the list of changes is trimmed before the scheduler has them',
    search: { operations: { count: 2, kinds: ['update'] }, changesLimit: 2 },
    mutate: (real) => ({ trimChanges: (job) => real.trimChanges(job, job.version, job.version) }),
    breaks: ['I1', 'I10'],
  },
  {
    name: 'joins-before-commands-are-shown',
    about: 'the scheduler counts as done with a version while a command of it waits',
    search: joins,
    mutate: () => ({ doneVersion: ({ version }) => version }),
    breaks: ['I1'],
  },
  {
    name: 'joins-over-open-ones',
    about: 'two floors are joined although an execution between them is open',
    search: joins,
    mutate: (real) => ({
      fenceAdmission: (admission, changes, _, limit) => real.fenceAdmission(admission, changes, [], limit),
    }),
    breaks: ['I1'],
  },
  {
    name: 'trigger-of-an-older-version',
    about: 'a trigger is stored although the job has changed since it was read',
    search: { operations: { count: 1, kinds: ['pause'] }, triggers: 1, hasWholeRuns: true, prunes: false },
    mutate: () => ({ triggerCounts: () => true }),
    breaks: ['I3'],
  },
  {
    name: 'places-of-ended-ones-stay',
    about: 'the place of an execution that has ended is not free',
    search: { ...twoTimes, overlap: queue },
    mutate: (real) => ({
      admitJob: (admission, claims, _, decisions) => real.admitJob(admission, claims, () => 'running', decisions),
    }),
    breaks: ['I10'],
  },
]
