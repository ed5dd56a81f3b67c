import { isRefusal } from '@belfry/contracts'
import type { Execution } from '../../../apps/executor-service/src/executions/execution.ts'
import { crash, lapse, lostClaim, type Mutant, skip, twoTimes } from './mutant.ts'

const ready = (execution: Execution): Execution => ({ ...execution, state: 'ready' })

/** Guards of executions and of their attempts (docs/protocol.md steps 8 to 13). */
export const executionMutants: readonly Mutant[] = [
  {
    name: 'finish-any-epoch',
    about: 'an attempt that lost its lease may record its end',
    search: lapse,
    mutate: (real) => ({
      ended: (execution, attempt, end) =>
        real.ended({ ...execution, state: 'running', epoch: attempt.execution.epoch }, attempt, end),
    }),
    breaks: ['I2'],
  },
  {
    name: 'claim-any-state',
    about: 'an execution that has ended, or runs, may be claimed',
    search: { executors: 2 },
    mutate: (real) => ({ claim: (execution, by) => real.claim(ready(execution), by) }),
    breaks: ['I2', 'I4', 'I7'],
  },
  {
    name: 'command-replaces-running',
    about: 'a command of a newer version replaces an execution that runs',
    search: { operations: { count: 1, kinds: ['update'] } },
    mutate: (real) => ({
      admit: (existing, command, delivery) =>
        existing?.state === 'running' && command.version > existing.version
          ? real.admit(ready(existing), command, delivery)
          : real.admit(existing, command, delivery),
    }),
    breaks: ['I2', 'I7', 'I8'],
  },
  {
    name: 'command-replaces-ended',
    about: 'a command of a newer version opens an execution that has ended for good',
    search: { operations: { count: 1, kinds: ['update'] } },
    mutate: (real) => ({
      admit: (existing, command, delivery) =>
        existing?.state === 'succeeded' && command.version > existing.version
          ? real.admit(ready(existing), command, delivery)
          : real.admit(existing, command, delivery),
    }),
    breaks: ['I4', 'I7'],
  },
  {
    name: 'older-command-replaces',
    about: 'a command of an older version replaces a newer one',
    search: { operations: { count: 1, kinds: ['update'] }, prunes: false },
    mutate: (real) => ({
      admit: (existing, command, delivery) =>
        existing && command.version < existing.version
          ? real.admit({ ...existing, version: 0 }, command, delivery)
          : real.admit(existing, command, delivery),
    }),
    breaks: ['I9'],
  },
  {
    name: 'command-resets-epoch',
    about: 'a command that opens an execution again begins its epochs anew',
    search: { ...lapse, operations: { count: 1, kinds: ['update'] } },
    mutate: (real) => ({
      admit: (existing, command, delivery) => {
        const after = real.admit(existing, command, delivery)
        return existing === undefined || after === existing ? after : { ...after, epoch: 0, inDoubt: [] }
      },
    }),
    breaks: ['I2'],
  },
  {
    name: 'insert-overwrites',
    about: 'a command that comes again is stored anew',
    search: {},
    mutate: () => ({ insertCounts: () => true }),
    breaks: ['I2', 'I4'],
  },
  {
    name: 'repeat-is-not-answered',
    about: 'a command that changes nothing does not mark its execution to be published again',
    search: {},
    mutate: () => ({ repeatedCommandMarks: () => false }),
    breaks: ['I10'],
  },
  {
    name: 'start-is-not-recorded-first',
    about: 'the handler of a job that must run at most once is called before its start is recorded',
    search: { ...crash, onLostLease: 'fail' },
    mutate: () => ({ recordsStartFirst: () => false }),
    breaks: ['I7'],
  },
  {
    name: 'lost-runs-again',
    about: 'an attempt of a job that must run at most once goes back to ready when its executor is lost',
    search: { ...crash, onLostLease: 'fail' },
    mutate: (real) => ({
      lose: (execution, input) => {
        const policy = { ...execution.policy, onLostLease: 'rerun' } as const
        const after = real.lose({ ...execution, policy }, input)
        return isRefusal(after) ? after : { ...after, policy: execution.policy }
      },
    }),
    breaks: ['I7'],
  },
  {
    name: 'interrupted-runs-again',
    about: 'an interrupted attempt of a job that must run at most once goes back to ready',
    search: { onLostLease: 'fail', faults: { count: 1, kinds: ['stop'] } },
    mutate: (real) => ({
      ended: (execution, attempt, end) => {
        const policy = { ...execution.policy, onLostLease: 'rerun' } as const
        const after = real.ended({ ...execution, policy }, attempt, end)
        return isRefusal(after) ? after : { ...after, policy: execution.policy }
      },
    }),
    breaks: ['I7'],
  },
  {
    name: 'hands-back-claims-of-others',
    about: 'a claim is handed back by its epoch alone, not by its owner',
    search: lostClaim,
    mutate: (real) => ({
      handBack: (execution, { epoch }, at) => real.handBack(execution, { epoch, owner: execution.owner }, at),
    }),
    breaks: ['I7'],
  },
  {
    name: 'lost-claims-stay',
    about: 'an executor does not look for what it owns and does not hold',
    search: lostClaim,
    mutate: () => ({ looksForHeld: () => false }),
    breaks: ['I10'],
  },
  {
    name: 'starts-early',
    about: 'a claim that is admitted starts before its time',
    search: {},
    mutate: () => ({ startsAt: () => true }),
    breaks: ['I5'],
  },
  {
    name: 'starts-without-lease',
    about: 'an executor whose lease has run out starts what it has claimed',
    search: { ...lapse, overlap: skip },
    mutate: () => ({ mayStart: () => true }),
    breaks: ['I13'],
  },
  {
    name: 'starts-under-old-name',
    about: 'an executor that was taken for dead starts what it has claimed under its old name',
    search: { ...lapse, overlap: skip },
    mutate: () => ({ abandons: () => false }),
    breaks: ['I13'],
  },
  {
    name: 'takes-over-the-living',
    about: 'an executor is marked as gone although its lease has not run out',
    search: { executors: 2, overlap: skip },
    mutate: () => ({ mayMarkGone: () => true }),
    breaks: ['I13'],
  },
  {
    name: 'gives-back-of-the-living',
    about: 'executions of an executor that is alive are given back',
    search: { executors: 2 },
    mutate: () => ({ mayGiveBack: () => true }),
    breaks: ['I7'],
  },
  {
    name: 'older-status-wins',
    about: 'the copy of an execution takes an older state',
    search: { copies: true, prunes: false },
    mutate: () => ({ statusIsNewer: () => true }),
    breaks: ['I4'],
  },
  {
    name: 'place-over-the-limit',
    about: 'one more execution than the limit gets a place',
    search: { ...twoTimes, executors: 2, overlap: skip },
    mutate: (real) => ({
      admitJob: (admission, claims, stateOf, decisions) => {
        const [claim] = claims
        if (!claim) return admission
        const { execution } = claim
        const policy = { ...execution.policy, overlap: { ...execution.policy.overlap, limit: 2 } }
        Object.assign(claim, { execution: { ...execution, policy } })
        return real.admitJob(admission, claims, stateOf, decisions)
      },
    }),
    breaks: ['I13'],
  },
  {
    name: 'place-without-compare',
    about: 'an admission is stored although another executor has changed it',
    search: { ...twoTimes, executors: 2, overlap: skip },
    mutate: () => ({ admissionWriteCounts: () => true }),
    breaks: ['I13'],
  },
  {
    name: 'own-place-without-compare',
    about: 'an execution that has a place already keeps it without storing the admission',
    search: { ...twoTimes, overlap: skip, failures: 1, operations: { count: 1, kinds: ['update'] } },
    mutate: (real) => ({
      admitJob: (admission, claims, stateOf, decisions) => {
        const after = real.admitJob(admission, claims, stateOf, decisions)
        return claims.every(({ execution: { id } }) => admission.places.includes(id)) ? admission : after
      },
    }),
    breaks: ['I13'],
  },
]
