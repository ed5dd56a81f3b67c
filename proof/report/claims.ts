import type { LayerName } from './result.ts'

/** A promise in plain words, and the layers that try to break it. */
export interface Claim {
  /** The invariant of docs/protocol.md; empty where it is none. */
  readonly invariant: string
  readonly text: string
  readonly layers: readonly LayerName[]
}

/** What is claimed, and nothing more. */
export const claims: readonly Claim[] = [
  {
    invariant: 'I1',
    text: 'Each fire time that an acknowledged, active version of a job covers has one outcome: one execution, or one entry of the fire log that says why there is none.',
    layers: ['model', 'simulation', 'crash', 'crash-fleet', 'operations', 'chaos'],
  },
  {
    invariant: 'I2',
    text: 'One owner counts. What an executor writes after another one has taken the execution over changes nothing.',
    layers: ['model', 'simulation', 'scenarios', 'chaos'],
  },
  {
    invariant: 'I3',
    text: 'What was answered with 2xx is still there after any or all processes were killed.',
    layers: ['model', 'simulation', 'crash', 'crash-fleet', 'chaos'],
  },
  {
    invariant: 'I4',
    text: 'An execution that has ended stays as it ended, and what job-service shows of it equals what the executors have.',
    layers: ['model', 'simulation', 'crash', 'crash-fleet', 'chaos'],
  },
  {
    invariant: 'I5',
    text: 'Nothing runs before its time, and no retry before its wait is over.',
    layers: ['model', 'simulation', 'crash', 'crash-fleet', 'chaos'],
  },
  {
    invariant: 'I6',
    text: 'There is one execution per job and fire time, one per trigger key, and one job per idempotency key.',
    layers: ['model', 'simulation', 'crash', 'crash-fleet', 'operations', 'scenarios', 'chaos'],
  },
  {
    invariant: 'I7',
    text: 'A handler that is called more than once is explained: by a lease that was lost, a stop, or a failure that was reported. Without these it is called once.',
    layers: ['model', 'simulation', 'crash', 'crash-fleet', 'scenarios', 'chaos'],
  },
  {
    invariant: 'I8',
    text: 'After a 200 to a cancel, pause, update or delete nothing that it closes starts, unless the answer lists it (or it was lost over an hour before).',
    layers: ['model', 'simulation', 'operations', 'chaos'],
  },
  {
    invariant: 'I9',
    text: 'The version of a job goes back in no service.',
    layers: ['model', 'simulation', 'chaos'],
  },
  {
    invariant: 'I10',
    text: 'Once failures end, everything comes to its end; nothing stays open.',
    layers: ['model', 'simulation', 'crash', 'crash-fleet', 'scenarios', 'chaos'],
  },
  {
    invariant: 'I11',
    text: 'Each queue, list, page and buffer is bounded. What does not fit is held or refused with 429 or 503 and `Retry-After`.',
    layers: ['security', 'fuzz', 'chaos'],
  },
  {
    invariant: 'I12',
    text: 'A message that cannot be processed is stored with its reason and delays its partition by less than 1 s.',
    layers: ['fuzz', 'chaos'],
  },
  {
    invariant: 'I13',
    text: 'Of a job that limits overlap there are never more runs past the limit.',
    layers: ['model', 'simulation', 'chaos'],
  },
  {
    invariant: '',
    text: 'No caller reads or changes what is not for that caller: by any route, id, token, header, body or outbound address.',
    layers: ['security'],
  },
  {
    invariant: '',
    text: 'No input ends a process, is answered 500, or holds up the calls of others.',
    layers: ['fuzz', 'security'],
  },
  {
    invariant: '',
    text: 'A wrong edit of a transition or of a guard is reported by the model or by a test.',
    layers: ['model', 'edits'],
  },
]

/** What was found, and mended with a test. The newest first. */
export interface Mended {
  readonly layer: LayerName
  readonly text: string
  /** The number of the decision that says more, and the name of its file. */
  readonly decision?: string
}

export const mended: readonly Mended[] = [
  {
    layer: 'simulation',
    text: 'A retry started before the fire time: the clock of its executor was set back while the attempt was under way.',
    decision: '050-the-simulation.md',
  },
  {
    layer: 'crash-fleet',
    text: 'On MongoDB no row of the audit log of auth-service was stored: a step was not in the list of its store.',
    decision: '051-crash-points-of-both-stores.md',
  },
  {
    layer: 'simulation',
    text: 'An execution that waited for an overlap place was due before its fire time: the executor that woke it had a clock that was ahead.',
    decision: '050-the-simulation.md',
  },
  {
    layer: 'edits',
    text: 'No test noticed when a cancel that arrives late ended a run of a newer version. The rule was right; now it has a test.',
    decision: '052-one-page-for-the-proof.md',
  },
  {
    layer: 'model',
    text: 'A fire time with two outcomes: the scheduler got an update together with the pause after it, and logged as skipped what the version before had run.',
    decision: '047-the-model.md',
  },
  {
    layer: 'model',
    text: 'A fire time lost by joined floors: a command that arrived after the join was closed by more than both floors.',
    decision: '047-the-model.md',
  },
  {
    layer: 'model',
    text: 'Two runs in one overlap place: an execution that was opened again kept its place without a compare-and-set.',
    decision: '047-the-model.md',
  },
  {
    layer: 'fuzz',
    text: 'A message with a moment that no date holds was stored, and stopped the stream of events of every user.',
    decision: '049-fuzzing-and-linear-patterns.md',
  },
  {
    layer: 'fuzz',
    text: 'A pattern in a handler’s schema held job-service up for 14 s. Patterns are checked in linear time.',
    decision: '049-fuzzing-and-linear-patterns.md',
  },
  {
    layer: 'fuzz',
    text: 'A request without `Host`, or with an unknown `Expect`, was not answered like any other.',
  },
  {
    layer: 'security',
    text: 'Bodies that one user sent byte by byte took the space for the bodies of all users: 503 for 15 s.',
    decision: '043-dialects.md',
  },
  {
    layer: 'security',
    text: 'Connections that asked for the description of the API without reading it held the gateway’s loop for 6.8 s.',
    decision: '043-dialects.md',
  },
  {
    layer: 'chaos',
    text: 'The driver of MongoDB could wait for ever for a socket that was destroyed: an executor took no commands any more.',
    decision: '034-chaos.md',
  },
  {
    layer: 'chaos',
    text: 'What a database answers while it starts counted as a failure for good: requests were answered 500, and messages that were right were stored as poison.',
    decision: '034-chaos.md',
  },
  {
    layer: 'chaos',
    text: 'A process whose database went away while it opened its store ended.',
    decision: '034-chaos.md',
  },
]

/** What none of the layers shows. */
export const limits: readonly string[] = [
  'A late fire time that an older version of the job has run, skipped or let expire is logged as missed too when an update or a resume decides on it anew, and as skipped when the job is cancelled before the scheduler gets the update ([decision 047](decisions/047-the-model.md)). The model and the campaigns accept exactly this.',
  'The effect of a handler happens at least once, or, per job, at most once. No scheduler can make it happen exactly once: the target gets a stable key for that.',
  'Where MongoDB is named, FerretDB on PostgreSQL has served in its place in the runs below. It speaks the same protocol; what only MongoDB does (failing over to another member of a replica set) was not tried.',
  'All processes and servers of a run were on one machine. Links between them were not cut or slowed down; a process or a server that is stopped stands in for that.',
]
