import { isRefusal, type JobChangesMessage, type JobSpec, type Refusal } from '@belfry/contracts'
import { toStatusMessage } from '../apps/executor-service/src/executions/execution.ts'
import { newExecution } from '../apps/executor-service/src/intake/command.ts'
import {
  cancelledJob,
  deletedJob,
  type Job,
  newJob,
  pausedJob,
  resumedJob,
  toJobChanges,
  updatedJob,
} from '../apps/job-service/src/domain/job.ts'
import { advance } from '../apps/scheduler-service/src/domain/advance.ts'
import { applyChanges } from '../apps/scheduler-service/src/domain/apply-changes.ts'
import { acknowledge, takeDueCommands } from '../apps/scheduler-service/src/domain/pending-commands.ts'
import type { Rules, ScheduleRecord } from '../apps/scheduler-service/src/domain/schedule-record.ts'
import { createScheduleCache } from '../apps/scheduler-service/src/use-cases/schedule-cache.ts'
import type { Transition } from './states.ts'

/** The fire time that is followed, the moments before it and long after it, and the one of the changes; milliseconds. */
const [changedAt, fireAt, lateAt] = [5, 10, 1000]
const compile = createScheduleCache(1)
const rules: Rules = {
  lookAheadMs: 1,
  misfire: { afterMs: 100, withinMs: 100 },
  resendFirstMs: 1,
  resendMaxMs: 1,
  pendingLimit: 8,
  fireLogOutboxLimit: 8,
  quarantineMs: 1,
}
const spec: JobSpec = {
  name: 'a job',
  jobType: 'DUMMY',
  params: {},
  schedule: { kind: 'interval', everyMs: fireAt, anchorAt: 0, startAt: fireAt, endAt: fireAt },
  policy: {
    retry: { maxRetries: 0, backoff: 'fixed', delayMs: 0, factor: 1, maxDelayMs: 0, jitter: false },
    overlap: { policy: 'allow', limit: 1 },
    timeoutMs: 1,
    onLostLease: 'rerun',
  },
  isOverlapSet: false,
  priority: 5,
  tags: [],
}
const created = newJob({ id: 'job-1', ownerId: 'usr-1', key: null, spec, warnings: [], now: 0 })

const operations: readonly (readonly [name: string, change: (job: Job, now: number) => Job | Refusal])[] = [
  [
    'update',
    (job, now) => updatedJob(job, { spec: { ...job.spec, priority: job.spec.priority - 1 }, warnings: [] }, now),
  ],
  ['pause', (job, now) => pausedJob(job, null, now)],
  ['resume', resumedJob],
  ['cancel', cancelledJob],
  ['delete', deletedJob],
]

function must<T extends object>(outcome: T | Refusal): T {
  if (isRefusal(outcome)) throw new Error(outcome.detail)
  return outcome as T
}

/** Every change of a job that its functions allow, by the states of the job. */
export function jobTransitions(): Transition[] {
  const paused = must(pausedJob(created, null, 1))
  const jobs = [created, paused, must(cancelledJob(created, 1)), must(deletedJob(created, 1))]
  return jobs.flatMap((job) =>
    operations.flatMap(([by, change]) => {
      const after = change(job, 2)
      return isRefusal(after) || after === job ? [] : [{ from: job.state, to: after.state, by }]
    }),
  )
}

function applied(known: ScheduleRecord | null, message: JobChangesMessage, now: number): ScheduleRecord {
  const answer = applyChanges(known, message, now, compile, rules, Number.NEGATIVE_INFINITY)
  if (answer.outcome !== 'applied') throw new Error(answer.outcome)
  return answer.record
}

/** What has become of the fire time, as the schedule's record says. */
function stateOf(record: ScheduleRecord): string {
  if (record.pending.some((one) => one.fireAt === fireAt)) return 'pending'
  if (record.fireLogOutbox.some(({ from, to, count }) => count > 0 && from <= fireAt && fireAt <= to)) return 'logged'
  if (record.nextFireAt === fireAt) return record.state === 'paused' ? 'paused' : 'undecided'
  return record.lastFireAt === fireAt ? 'shown' : 'none'
}

const sent = (record: ScheduleRecord) => takeDueCommands(record, fireAt, null, rules)

function shown(record: ScheduleRecord): ScheduleRecord {
  const [command] = sent(record).commands
  if (!command) return record
  const arrival = { sentAt: 0, admittedAt: 0, topic: null, partition: null, offset: null }
  return acknowledge(
    record,
    toStatusMessage(newExecution(command, { arrival, pool: 'io', oldestPlannedAt: 0 })),
    fireAt,
  )
}

/** Every way of one fire time of a schedule, from undecided to its outcome, by the functions of the scheduler. */
export function fireTimeTransitions(): Transition[] {
  const fresh = applied(null, toJobChanges(created), 0)
  const issued = advance(fresh, fireAt, compile, rules)
  const pausedJobNow = must(pausedJob(created, null, changedAt))
  const paused = applied(fresh, toJobChanges(pausedJobNow), changedAt)
  const records: readonly (readonly [ScheduleRecord, Job])[] = [
    [fresh, created],
    [issued, created],
    [shown(issued), created],
    [paused, pausedJobNow],
  ]
  const found: Transition[] = [{ from: '[*]', to: stateOf(fresh), by: 'create' }]
  for (const [record, job] of records) {
    const add = (by: string, after: ScheduleRecord) => {
      if (after !== record) found.push({ from: stateOf(record), to: stateOf(after), by })
    }
    add('advance', advance(record, fireAt, compile, rules))
    add('advance, too late', advance(record, lateAt, compile, rules))
    add('command sent', sent(record).record)
    add('execution shown', shown(record))
    for (const [name, change] of operations)
      for (const [at, when] of [
        [changedAt, 'before it'],
        [fireAt + 1, 'after it'],
      ] as const) {
        const after = change(job, at)
        if (!isRefusal(after) && after !== job) add(`${name} ${when}`, applied(record, toJobChanges(after), at))
      }
  }
  return found
}
