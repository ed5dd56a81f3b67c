import type { ExecutionStatus } from '@belfry/contracts'
import type { TargetCall } from '../target.ts'
import { otherEveryMs, otherSpanMs, spanMs, usualEveryMs } from './plan.ts'
import type { Change, JobRecord } from './record.ts'

/** What a run has shown. Each finding is a sentence with the job's id. */
export interface Findings {
  /** Starts after a 200 whose answer did not list them. */
  readonly unlisted: string[]
  /** Fire times without the outcome that they must have. */
  readonly lost: string[]
  /** Fire times that ran twice. */
  readonly doubled: string[]
}

type State = 'active' | 'paused' | 'over'

/** A version of a job, from its change on. */
interface Version {
  readonly state: State
  readonly everyMs: number
  /** Until its last fire time after the first one of the job, milliseconds. */
  readonly spanMs: number
  /** Null for the first version. */
  readonly change: Change | null
}

const statesAfter: Record<Change['kind'], State | null> = {
  update: null,
  reschedule: null,
  pause: 'paused',
  resume: 'active',
  delete: 'over',
  cancel: 'over',
}

function versionsOf({ changes }: JobRecord): Version[] {
  const versions: Version[] = [{ state: 'active', everyMs: usualEveryMs, spanMs, change: null }]
  for (const change of changes) {
    const before = versions.at(-1) as Version
    const schedule = change.kind === 'reschedule' ? { everyMs: otherEveryMs, spanMs: otherSpanMs } : {}
    versions.push({ ...before, ...schedule, state: statesAfter[change.kind] ?? before.state, change })
  }
  return versions
}

/** The version that decides on a fire time: the newest whose change was before it. */
function decidingOn(versions: readonly Version[], at: number): number {
  return versions.findLastIndex(({ change }) => change === null || change.changedAt < at)
}

/** The fire times of all versions, each decided on by its own version. */
function fireTimesOf(record: JobRecord, versions: readonly Version[]): number[] {
  const times: number[] = []
  for (let after = 0; after <= otherSpanMs; after += otherEveryMs) {
    const version = versions[decidingOn(versions, record.firstAt + after)]
    if (version && after <= version.spanMs && after % version.everyMs === 0) times.push(record.firstAt + after)
  }
  return times
}

/** Whether the change closes an execution of the version before it: a pause and an end do with all, an update with later ones. */
function isClosedBy({ kind, changedAt }: Change, { fireAt }: TargetCall): boolean {
  if (kind === 'resume') return false
  return kind === 'update' || kind === 'reschedule' ? fireAt > changedAt : true
}

/** The version that a call ran as; an update changes the path, a resume has runs of its own by their time. */
function versionOf(versions: readonly Version[], call: TargetCall): number {
  const updated = versions.findIndex(({ change }) => change?.kind === 'update')
  if (call.path.endsWith('/2')) return updated
  const newest = decidingOn(versions, call.fireAt)
  return updated < 0 ? newest : Math.min(newest, updated - 1)
}

/** The calls that started after a firm change which closes them, and which the answer did not list. */
function unlistedOf(record: JobRecord, versions: readonly Version[]): string[] {
  const findings: string[] = []
  for (const call of record.calls) {
    const own = versionOf(versions, call)
    for (const { change } of versions.slice(own + 1)) {
      if (!change?.isFirm || !isClosedBy(change, call) || change.listed.includes(call.key)) continue
      if (call.at <= change.answeredAt) continue
      const late = Math.round(call.at - change.answeredAt)
      findings.push(`${record.id}: ${call.key} started ${late} ms after the answer to "${change.kind}"`)
    }
  }
  return findings
}

/** What may become of a fire time that an active version has issued, by the next change. */
function endsAllowed(next: Change | undefined): readonly ExecutionStatus[] {
  if (!next || next.kind === 'update' || next.kind === 'reschedule') return ['SUCCESS']
  return ['SUCCESS', 'CANCELLED']
}

function lostOf(record: JobRecord, versions: readonly Version[]): string[] {
  const executions = record.history.flatMap((entry) => (entry.kind === 'execution' ? [entry.execution] : []))
  const ranges = record.history.flatMap((entry) => (entry.kind === 'fire-log' ? [entry.range] : []))
  return fireTimesOf(record, versions).flatMap((at) => {
    const index = decidingOn(versions, at)
    const { state } = versions[index] as Version
    const found = executions.filter(({ fireAt }) => Date.parse(fireAt) === at)
    const calls = record.calls.filter(({ fireAt }) => fireAt === at).length
    const logged = ranges.filter(({ from, to }) => Date.parse(from) <= at && at <= Date.parse(to)).length
    const time = `${record.id}: the fire time ${new Date(at).toISOString()}`
    if (state === 'over') return []
    if (state === 'paused') return logged === 1 || calls === 1 ? [] : [`${time} of a pause lies in ${logged} ranges`]
    const status = found[0]?.status
    const isRight = status !== undefined && endsAllowed(versions[index + 1]?.change ?? undefined).includes(status)
    if (found.length !== 1 || !isRight) return [`${time} is ${found.map((one) => one.status).join() || 'nowhere'}`]
    if (status === 'SUCCESS' && calls === 0) return [`${time} is SUCCESS, and its call never came`]
    return logged === 0 ? [] : [`${time} has an execution and lies in the fire log`]
  })
}

function doubledOf({ id, calls }: JobRecord): string[] {
  const times = calls.map(({ fireAt }) => fireAt)
  const twice = [...new Set(times)].filter((at) => times.indexOf(at) !== times.lastIndexOf(at))
  return twice.map((at) => `${id}: the fire time ${new Date(at).toISOString()} ran twice`)
}

export function check(records: readonly JobRecord[]): Findings {
  const findings: Findings = { unlisted: [], lost: [], doubled: [] }
  for (const record of records) {
    const versions = versionsOf(record)
    findings.unlisted.push(...unlistedOf(record, versions))
    findings.lost.push(...lostOf(record, versions))
    findings.doubled.push(...doubledOf(record))
  }
  return findings
}
