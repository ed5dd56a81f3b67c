import { type Configuration, type Fault, operations, plain } from './configuration.ts'
import { missingPairs } from './coverage.ts'

const faults: readonly Fault[] = ['crash', 'lapse', 'claim-lost', 'stop']
const twoTimes = { fireTimes: [10, 20], hasWholeRuns: true } as const
const skip = { policy: 'skip', limit: 1 } as const
const queue = { policy: 'queue', limit: 1 } as const
const late = { misfireAfterMs: 15 } as const
/** The list of changes and the floors are as short as they may be: the third change trims the one and joins the others. */
const short = { changesLimit: 2, floorLimit: 2 } as const
const updates = { count: 3, kinds: ['update'] } as const
const oneChange = { count: 1, kinds: ['update', 'pause', 'cancel'] } as const

/** One search. `isLong`: only `--full` does it. */
export interface Search extends Configuration {
  readonly isLong?: boolean
}

const bases: readonly (Partial<Search> & Pick<Search, 'name' | 'about'>)[] = [
  {
    name: 'changes',
    about: 'two operations in a row, out of all kinds',
    operations: { count: 2, kinds: operations },
  },
  {
    name: 'losses',
    about:
      'two executors with two mishaps out of all kinds, an attempt that fails, two schedulers, starts that are shown',
    executors: 2,
    schedulers: 2,
    shows: true,
    failures: 1,
    faults: { count: 2, kinds: faults },
  },
  {
    name: 'at-most-once',
    about: 'a job that must run at most once, suspended processes, starts that are shown',
    executors: 2,
    onLostLease: 'fail',
    shows: true,
    suspends: true,
    faults: { count: 2, kinds: faults },
  },
  {
    name: 'fence-and-losses',
    about: 'an operation while an executor dies, sleeps, stops or loses an answer',
    operations: { count: 1, kinds: ['update', 'cancel'] },
    executors: 2,
    suspends: true,
    faults: { count: 1, kinds: ['lapse', 'claim-lost'] },
  },
  {
    name: 'skip',
    about: 'two fire times that do not overlap, one executor lost, one attempt that fails',
    ...twoTimes,
    hasWholeRuns: false,
    executors: 2,
    overlap: skip,
    failures: 1,
    faults: { count: 1, kinds: ['lapse'] },
    isLong: true,
  },
  {
    name: 'queue',
    about: 'two fire times, one of which waits, one executor lost',
    ...twoTimes,
    hasWholeRuns: false,
    executors: 2,
    overlap: queue,
    faults: { count: 1, kinds: ['lapse'] },
    isLong: true,
  },
  {
    name: 'skip-and-change',
    about: 'two fire times that do not overlap, and an update: an execution that is opened again keeps its place',
    ...twoTimes,
    hasWholeRuns: false,
    overlap: skip,
    failures: 1,
    operations: { count: 1, kinds: ['update'] },
  },
  {
    name: 'schedulers',
    about: 'two schedulers that read and write between each other, late fire times, one operation',
    ...twoTimes,
    ...late,
    schedulers: 2,
    operations: oneChange,
  },
  {
    name: 'trims-and-joins',
    about: 'three updates: the list of changes is trimmed and floors are joined',
    ...short,
    hasWholeRuns: true,
    operations: updates,
  },
  {
    name: 'late-changes',
    about: 'two operations in a row while late fire times are decided on',
    ...twoTimes,
    ...late,
    operations: { count: 2, kinds: ['update', 'pause', 'resume', 'cancel'] },
    isLong: true,
  },
  {
    name: 'moved',
    about: 'an update that moves the schedule',
    ...twoTimes,
    operations: { count: 1, kinds: ['update'], movesSchedule: true },
  },
  {
    name: 'trigger',
    about: 'a trigger and an operation, an executor that may die',
    triggers: 1,
    hasWholeRuns: true,
    operations: { count: 2, kinds: ['update', 'pause', 'resume', 'cancel'] },
    isLong: true,
  },
  {
    name: 'trigger-and-losses',
    about: 'a trigger beside a fire time, one place for both',
    triggers: 1,
    executors: 2,
    overlap: skip,
    faults: { count: 1, kinds: ['crash'] },
  },
  {
    name: 'copies',
    about: 'the copies of job-service, by seq',
    copies: true,
    failures: 1,
    faults: { count: 1, kinds: ['crash', 'stop'] },
    executors: 2,
  },
  {
    name: 'late-messages',
    about: 'messages that should change nothing any more arrive all the same: what the other searches leave out',
    operations: { count: 2, kinds: ['update', 'cancel'] },
    hasWholeRuns: true,
    prunes: false,
  },
  {
    name: 'settling',
    about: 'the mark of a fence and the loop that takes it away',
    marks: true,
    operations: oneChange,
    failures: 1,
  },
]

/** Pairs whose states are more than 100,000. */
const longPairs: readonly string[] = [
  '2 fire times and joined floors',
  '2 operations and crash',
  '2 operations and failure and retry',
  '2 operations and interruption',
  '2 operations and lost answer',
  '2 operations and lost lease',
  '2 operations and overlap queue',
  '2 operations and overlap skip',
  '2 operations and recorded starts',
  '2 schedulers and 2 operations',
  'crash and joined floors',
  'interruption and joined floors',
  'joined floors and misfire run-once',
  'lost answer and joined floors',
  'lost lease and joined floors',
  'overlap queue and joined floors',
  'overlap skip and joined floors',
  'trigger and joined floors',
  'trigger and lost lease',
  'trigger and overlap queue',
]

const richer: readonly Search[] = bases.map((one) => ({ ...plain, ...one }))

/** The richer ones, and each pair that none of them has, alone. Together they have every pair of what may come together. */
export const searches: readonly Search[] = [
  ...richer,
  ...missingPairs(richer).map((one) => ({ ...one, isLong: longPairs.includes(one.name) })),
]
