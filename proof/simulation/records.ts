import { isAtRest, isEnded, type JobChange } from '@belfry/contracts'
import type { Admission } from '../../apps/executor-service/src/admission/admission.ts'
import type { Execution } from '../../apps/executor-service/src/executions/execution.ts'
import type { Job } from '../../apps/job-service/src/domain/job.ts'
import type { ExecutionDocument as CopyDocument } from '../../apps/job-service/test/store/document-stores.ts'
import type { FireRange, ScheduleRecord } from '../../apps/scheduler-service/src/domain/schedule-record.ts'
import type { Violation } from '../violation.ts'
import type { History } from './history.ts'

/** One version of a job, as it was stored. */
export interface JobVersion extends JobChange {
  readonly state: Job['state']
}

interface StoredJob {
  readonly job: Job
  readonly fencedVersion: number
}

/** Everything that the stores of a world hold now, with what no write may do checked at each of them. */
export interface Records {
  readonly jobs: ReadonlyMap<string, StoredJob>
  /** All versions of a job, oldest first, also those that its record has trimmed. */
  readonly versions: ReadonlyMap<string, readonly JobVersion[]>
  readonly copies: ReadonlyMap<string, CopyDocument>
  readonly schedules: ReadonlyMap<string, ScheduleRecord>
  readonly executions: ReadonlyMap<string, Execution>
  readonly ranges: ReadonlyMap<string, LoggedRange>
  readonly executionVersions: ReadonlyMap<string, number>
  readonly violations: readonly Violation[]
  /** How often each thing happened: states that were reached, and more. */
  readonly counts: ReadonlyMap<string, number>
  job(job: Job, fencedVersion: number): void
  copy(copy: CopyDocument): void
  schedule(record: ScheduleRecord): void
  range(range: LoggedRange): void
  execution(execution: Execution): void
  admission(admission: Admission): void
}

/** A range of a job's fire log. */
type LoggedRange = FireRange & { readonly jobId: string }

function executionText({ state, version, epoch, seq, owner, runAt, cancelRequested, attempts }: Execution): string {
  const outcomes = attempts.map(({ epoch, outcome }) => `${epoch}:${outcome ?? 'open'}`).join(' ')
  const more = `${owner === null ? '' : ` of ${owner}`}${cancelRequested ? ' to be cancelled' : ''}`
  return `${state} v${version} e${epoch} seq ${seq} runAt ${runAt}${more} [${outcomes}]`
}

const scheduleText = ({ version, state, nextFireAt, pending, fireLogOutbox }: ScheduleRecord) =>
  `v${version} ${state} next ${nextFireAt} pending ${pending.map(({ fireAt, version }) => `${fireAt}@v${version}`).join(' ') || 'none'}, ${fireLogOutbox.length} ranges`

export function createRecords(history: History): Records {
  const jobs = new Map<string, StoredJob>()
  const versions = new Map<string, JobVersion[]>()
  const copies = new Map<string, CopyDocument>()
  const schedules = new Map<string, ScheduleRecord>()
  const executions = new Map<string, Execution>()
  const executionVersions = new Map<string, number>()
  const ranges = new Map<string, LoggedRange>()
  const violations: Violation[] = []
  const counts = new Map<string, number>()
  const count = (what: string) => void counts.set(what, (counts.get(what) ?? 0) + 1)
  const violate = (rule: string, subject: string, text: string) => {
    violations.push({ rule, subject, text })
    history.add('checker', `${rule} ${text}`, subject)
  }

  /** I4 and I2: what a write of the record may not do. */
  function checkExecution(before: Execution, after: Execution): void {
    const { id } = after
    const step = `from ${before.state} v${before.version} e${before.epoch} to ${after.state} v${after.version} e${after.epoch}`
    if (after.seq < before.seq) violate('I4', id, `its seq went from ${before.seq} to ${after.seq}`)
    if (after.epoch < before.epoch) violate('I2', id, `its epoch went back: ${step}`)
    if (after.version < before.version) violate('I9', id, `its version went back: ${step}`)
    if (!isEnded(before.state) || after.seq === before.seq) return
    const isReopened = isAtRest(before) && after.version > before.version
    const isCancelledByName = isAtRest(before) && after.cancelRequested
    if (before.state !== after.state && !isReopened && !isCancelledByName)
      violate('I4', id, `it had ended, and went ${step}`)
  }

  return {
    jobs,
    versions,
    copies,
    schedules,
    executions,
    ranges,
    executionVersions,
    violations,
    counts,
    job(job, fencedVersion) {
      const before = jobs.get(job.id)?.job
      jobs.set(job.id, { job, fencedVersion })
      const isOther = before?.version === job.version && before.changedAt !== job.changedAt
      if (isOther) violate('I9', job.id, `v${job.version} was stored twice`)
      if (before && job.version < before.version) violate('I9', job.id, `from v${before.version} to v${job.version}`)
      const known = versions.get(job.id) ?? []
      const change = job.changes.at(-1)
      if (change && change.version > (known.at(-1)?.version ?? 0)) {
        versions.set(job.id, [...known, { ...change, state: job.state }])
        count(`job ${change.kind}`)
      }
      history.add('jobs', 'job', job.id, () => `v${job.version} ${job.state} ${job.changedAt} fenced v${fencedVersion}`)
    },
    copy(copy) {
      const before = copies.get(copy.id)
      copies.set(copy.id, copy)
      if (before && copy.seq < before.seq) violate('I4', copy.id, `its copy went from seq ${before.seq} to ${copy.seq}`)
      history.add('jobs', 'copy', copy.id, () => `${copy.status} seq ${copy.seq} next send ${copy.nextSendAt}`)
    },
    schedule(record) {
      const before = schedules.get(record.jobId)
      schedules.set(record.jobId, record)
      if (before && record.version < before.version)
        violate('I9', record.jobId, `its schedule went from v${before.version} to v${record.version}`)
      history.add('schedules', 'schedule', record.jobId, () => scheduleText(record))
    },
    range(range) {
      const { jobId, from, to, count: times, decision, version } = range
      ranges.set(`${jobId}:${from}:${decision}`, range)
      count(`range ${decision}`)
      history.add('schedules', 'range', jobId, () => `${decision} ${times} from ${from} to ${to} of v${version}`)
    },
    execution(execution) {
      const before = executions.get(execution.id)
      executions.set(execution.id, execution)
      executionVersions.set(execution.id, execution.version)
      if (before) checkExecution(before, execution)
      if (!before) count(`execution of cause ${execution.cause}`)
      if (before?.state !== execution.state) count(`execution ${execution.state}`)
      if (execution.losses > (before?.losses ?? 0)) count('attempt lost')
      if (execution.failures > (before?.failures ?? 0)) count('attempt failed')
      if (before?.seq !== execution.seq)
        history.add('executions', 'execution', execution.id, () => executionText(execution))
    },
    admission(admission) {
      const { jobId, minVersion, floors, places, waiting } = admission
      const text = () =>
        `from v${minVersion}, floors ${floors.map(({ version, fromAt }) => `v${version}>${fromAt}`).join(' ') || 'none'}, places ${places.join(' ') || 'none'}, waits ${waiting.join(' ') || 'none'}`
      history.add('executions', 'admission', jobId, text)
    },
  }
}
