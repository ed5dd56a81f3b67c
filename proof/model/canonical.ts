import type { JobExecuteMessage } from '@belfry/contracts'
import type { Admission } from '../../apps/executor-service/src/admission/admission.ts'
import { type Execution, recordedStart } from '../../apps/executor-service/src/executions/execution.ts'
import type { ScheduleRecord } from '../../apps/scheduler-service/src/domain/schedule-record.ts'
import { remembered } from './search/remember.ts'

/*
 * Records without what no decision depends on, so that states which differ in nothing else are one state. What is left out gets a
 * constant value. Whoever adds a field that a rule reads has to keep it here; the mutants show when one is missing.
 */

const noArrival = { plannedAt: 0, sentAt: null, admittedAt: 0, topic: null, partition: null, offset: null }

/**
 * An execution without its times of day, texts and results. `seq` is kept where copies are followed by it. Of the attempts those
 * stay that are at work or in doubt.
 */
export function canonicalExecution(execution: Execution, keepsSeq: boolean): Execution {
  const { state, epoch, inDoubt } = execution
  const isOpen = state === 'running'
  const attempts = execution.attempts
    .filter((one) => (isOpen && one.epoch === epoch) || inDoubt.some((doubt) => doubt.epoch === one.epoch))
    .map((one) => {
      const startedAt = isOpen && one.epoch === epoch && recordedStart(execution) !== null ? 0 : null
      return { ...one, startedAt, endedAt: null, outcome: null, error: null }
    })
  return {
    ...execution,
    seq: keepsSeq ? execution.seq : 0,
    arrival: noArrival,
    attempts,
    inDoubt: inDoubt.map((one) => ({ epoch: one.epoch, lostAt: 0 })),
    result: null,
    error: null,
    endedAt: execution.endedAt === null ? null : 0,
  }
}

/** Every command that was sent once may be sent again at any moment: the waits between are left out. */
export function canonicalSchedule(record: ScheduleRecord): ScheduleRecord {
  return {
    ...record,
    endedAt: record.endedAt === null ? null : 0,
    pending: record.pending.map((one) => ({ ...one, plannedAt: 0, nextSendAt: 0, tries: Math.min(1, one.tries) })),
  }
}

/** Instead of `rev` each reader knows whether its record is still the stored one. */
export function canonicalAdmission(admission: Admission): Admission {
  return { ...admission, rev: 0, unsettled: admission.unsettled === 0 ? 0 : 1 }
}

export const canonicalCommand = remembered(
  (command: JobExecuteMessage): JobExecuteMessage => ({ ...command, plannedAt: 0 }),
)

/** A set as a list in one order, with one more member; the same list when it is a member. */
export const withMember: <T extends object>(set: readonly T[], member: T) => readonly T[] = remembered(
  <T extends object>(set: readonly T[], member: T): readonly T[] => {
    const text = JSON.stringify(member)
    const texts = set.map((one) => JSON.stringify(one))
    if (texts.includes(text)) return set
    const at = texts.findIndex((one) => one > text)
    return at === -1 ? [...set, member] : set.toSpliced(at, 0, member)
  },
)
