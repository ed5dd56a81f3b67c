import * as admission from '../../apps/executor-service/src/admission/admission.ts'
import { admitJob } from '../../apps/executor-service/src/admission/admit-claims.ts'
import { ask, cancelVersion, closeReady } from '../../apps/executor-service/src/admission/fence.ts'
import { stopped } from '../../apps/executor-service/src/admission/stop-claims.ts'
import { mayStart as mayFindPlace } from '../../apps/executor-service/src/admission/wake.ts'
import { ended } from '../../apps/executor-service/src/attempts/engine.ts'
import { recordsStartFirst } from '../../apps/executor-service/src/executions/execution.ts'
import * as transitions from '../../apps/executor-service/src/executions/transitions.ts'
import { admit } from '../../apps/executor-service/src/intake/command.ts'
import { triggerCommand } from '../../apps/job-service/src/domain/execution.ts'
import * as job from '../../apps/job-service/src/domain/job.ts'
import { advance, advanceWith } from '../../apps/scheduler-service/src/domain/advance.ts'
import { applyChanges } from '../../apps/scheduler-service/src/domain/apply-changes.ts'
import { withoutDelivered } from '../../apps/scheduler-service/src/domain/fire-log-outbox.ts'
import { acknowledge, doneVersion, takeDueCommands } from '../../apps/scheduler-service/src/domain/pending-commands.ts'
import { dueAt } from '../../apps/scheduler-service/src/domain/schedule-record.ts'

/**
 * The rules that the model runs on: the functions of the services themselves. A mutant replaces one of them by one that calls it and
 * leaves out a guard.
 */
const functions = {
  // job-service
  updatedJob: job.updatedJob,
  pausedJob: job.pausedJob,
  resumedJob: job.resumedJob,
  cancelledJob: job.cancelledJob,
  deletedJob: job.deletedJob,
  trimChanges: job.trimChanges,
  fencedChanges: job.fencedChanges,
  toJobChanges: job.toJobChanges,
  checkAction: job.checkAction,
  triggerCommand,
  // scheduler-service
  applyChanges,
  advance,
  advanceWith,
  takeDueCommands,
  acknowledge,
  doneVersion,
  withoutDelivered,
  dueAt,
  // executor-service
  admit,
  claim: transitions.claim,
  start: transitions.start,
  ended,
  lose: transitions.lose,
  handBack: transitions.handBack,
  takeBack: transitions.takeBack,
  takeBackUnstarted: transitions.takeBackUnstarted,
  wake: transitions.wake,
  recordsStartFirst,
  fenceAdmission: admission.applyChanges,
  settled: admission.settled,
  admitJob,
  stopped,
  ask,
  cancelVersion,
  closeReady,
  mayFindPlace,
}

/**
 * What the adapters and the loops promise, where no function stands for it: the preconditions of the stores' verbs, and what comes
 * before what. The contract suites of the ports and the tests of the loops check it; a mutant shows that it is needed.
 */
const contracts = {
  /** `ScheduleStore.compareAndSetMany` counts only if the record is the one that was read. */
  scheduleWriteCounts: (isStale: boolean): boolean => !isStale,
  /** `AdmissionStore.compareAndSetMany` counts only if the record is the one that was read. */
  admissionWriteCounts: (isStale: boolean): boolean => !isStale,
  /** `FireLogStore.upsertMany` leaves a range of a higher version, and a shorter one of the same version. */
  fireLogStays: (
    known: { readonly version: number; readonly count: number },
    range: { readonly version: number; readonly count: number },
  ): boolean => known.version > range.version || (known.version === range.version && known.count <= range.count),
  /** `ExecutionStore.applyStatuses`: per execution the newest seq wins. */
  statusIsNewer: (seq: number, known: number): boolean => seq > known,
  /** `ExecutionStore.insertMany` stores only what is not there. */
  insertCounts: (isThere: boolean): boolean => !isThere,
  /** A command that changes nothing marks the record to be published again (`answerKnown`). */
  repeatedCommandMarks: (): boolean => true,
  /** A fence lists what runs after it has written the admission, and what is in doubt after what runs. */
  fenceOrder: ['write', 'running', 'doubt'] as readonly ('write' | 'running' | 'doubt')[],
  /** Nothing starts without a lease (`Identity.mayStart`). */
  mayStart: (hasLease: boolean): boolean => hasLease,
  /** An executor is marked as gone only after it was silent for a lease (`createSightings`), in which its own lease ends. */
  mayMarkGone: (isSilent: boolean): boolean => isSilent,
  /** Running executions are given back only if their owner has no record, or one that is marked as gone. */
  mayGiveBack: (isAlive: boolean): boolean => !isAlive,
  /** What is claimed under an older name is not started after the executor took another one (`Dispatcher.abandon`). */
  abandons: (): boolean => true,
  /** The executions that an executor owns and does not hold are given back (`createHeldLook`). */
  looksForHeld: (): boolean => true,
  /** An execution is claimed at its time, or a moment before it. */
  startsAt: (runAt: number, now: number): boolean => runAt <= now,
  /** `insertTrigger` stores the command only if its version is the job's. */
  triggerCounts: (version: number, jobVersion: number): boolean => version === jobVersion,
  /** job-service repeats a fence until the newest version is confirmed. */
  repeatsFence: (fencedVersion: number, version: number): boolean => fencedVersion < version,
}

export const realRules = { ...functions, ...contracts }
export type Rules = typeof realRules
