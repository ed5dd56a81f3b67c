import type { ChangeKind, MisfirePolicy, OverlapPolicy } from '@belfry/contracts'

/** What the owner of the job does. */
export type Operation = Exclude<ChangeKind, 'create'>

export const operations: readonly Operation[] = ['update', 'pause', 'resume', 'cancel', 'delete']

/** What may go wrong in a process, as often as `faults` allows. */
export type Fault = 'crash' | 'lapse' | 'claim-lost' | 'stop'

/** What one search covers. Times are moments of a small clock, in milliseconds. */
export interface Configuration {
  readonly name: string
  readonly about: string
  /** The moments that the clock shows, in order. The last one stands for all later ones: everything is due by then. */
  readonly moments: readonly number[]
  /** The times at which the schedule fires, from 1970 on: one or two. */
  readonly fireTimes: readonly number[]
  readonly lookAheadMs: number
  /** From which age on a fire time that was not issued is late. */
  readonly misfireAfterMs: number
  readonly misfire?: MisfirePolicy
  readonly pendingLimit: number
  /** Operations in a row, out of these kinds. An update changes the priority, or the schedule as well. */
  readonly operations: {
    readonly count: number
    readonly kinds: readonly Operation[]
    readonly movesSchedule?: boolean
  }
  /** Changes that a job lists before the next one has to trim the list. */
  readonly changesLimit: number
  /** Most floors of an admission: with more of them two are joined. */
  readonly floorLimit: number
  readonly triggers: number
  readonly executors: 1 | 2
  /** Whether a run from claim to end is one step. */
  readonly hasWholeRuns: boolean
  /** Two schedulers that read and write in steps of their own; one whose step is whole stands for any number of them. */
  readonly schedulers: 1 | 2
  readonly overlap: OverlapPolicy
  readonly onLostLease: 'rerun' | 'fail'
  readonly maxRetries: number
  /** Attempts that fail. */
  readonly failures: number
  readonly faults: { readonly count: number; readonly kinds: readonly Fault[] }
  /** Whether a process may be suspended between the look at its lease and the call of the handler. */
  readonly suspends: boolean
  /** Whether the copies of job-service are followed by `seq`. */
  readonly copies: boolean
  /** Whether runs are shown after a while, which records their starts. */
  readonly shows: boolean
  /** Whether the executors take the mark of a fence away once they have ended what it closes; else they may go on for ever. */
  readonly marks: boolean
  /** Whether what has no effect any more is left out of the states. */
  readonly prunes: boolean
}

/** One job with one fire time, one executor, and nothing that goes wrong. */
export const plain: Configuration = {
  name: 'plain',
  about: 'one fire time',
  moments: [0, 10, 40],
  fireTimes: [10],
  lookAheadMs: 10,
  misfireAfterMs: 1000,
  pendingLimit: 4,
  operations: { count: 0, kinds: operations },
  changesLimit: 32,
  floorLimit: 8,
  triggers: 0,
  executors: 1,
  hasWholeRuns: false,
  schedulers: 1,
  overlap: { policy: 'allow', limit: 1 },
  onLostLease: 'rerun',
  maxRetries: 1,
  failures: 0,
  faults: { count: 0, kinds: [] },
  suspends: false,
  copies: false,
  shows: false,
  marks: false,
  prunes: true,
}
