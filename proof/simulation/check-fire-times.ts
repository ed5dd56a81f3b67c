import { isFinal, isRecurring, scheduledExecutionId } from '@belfry/contracts'
import { compileSchedule } from '@belfry/time'
import type { Execution } from '../../apps/executor-service/src/executions/execution.ts'
import type { Violation } from '../violation.ts'
import type { Check } from './evidence.ts'
import type { JobVersion, Records } from './records.ts'

/** The ranges of the fire log, by job; one without fire times was taken back. */
const fireLogOf = ({ ranges }: Records) =>
  Map.groupBy(
    [...ranges.values()].filter(({ count }) => count > 0),
    ({ jobId }) => jobId,
  )

/** Whether a version stops what is older. */
export const isClosing = ({ kind }: JobVersion) => kind === 'cancel' || kind === 'pause' || kind === 'delete'

/** The fire times of a version that recurs; null for another one, and where they cannot be compiled. */
function timesOf({ schedule }: JobVersion, jobId: string) {
  if (!isRecurring(schedule)) return null
  const times = compileSchedule(schedule, jobId)
  return 'issue' in times ? null : times
}

/** The fire times that the versions of a job cover: from its change, up to the next one. */
function coveredTimes(jobId: string, versions: readonly JobVersion[]): { fireAt: number; version: JobVersion }[] {
  return versions.flatMap((version, index) => {
    const until = versions[index + 1]?.changedAt
    const { schedule, changedAt, state } = version
    if (state !== 'active') return []
    if (schedule.kind === 'once') {
      const isCovered = until === undefined || schedule.runAt <= until
      return isCovered ? [{ fireAt: schedule.runAt, version }] : []
    }
    const times = timesOf(version, jobId)
    if (times === null || until === undefined) return []
    const found: { fireAt: number; version: JobVersion }[] = []
    for (let at = times.next(changedAt); at !== null && at <= until; at = times.next(at))
      found.push({ fireAt: at, version })
    return found
  })
}

/** Whether a version has this fire time: those of another schedule may lie between the ends of its ranges. */
function hasTime(version: JobVersion, jobId: string, fireAt: number): boolean {
  const { schedule } = version
  if (schedule.kind === 'once') return schedule.runAt === fireAt
  const times = timesOf(version, jobId)
  return times ? times.next(fireAt - 1) === fireAt : isRecurring(schedule)
}

/** Whether a later change may have closed the execution of a version. */
function mayBeClosed({ cancelRequested }: Execution, version: number, versions: readonly JobVersion[]): boolean {
  return cancelRequested || versions.some((one) => one.version > version && isClosing(one))
}

/** Whether what a user asked for by hand has ended without a run, though nothing that the user did explains it. */
export function isTakenAway(execution: Execution, versions: readonly JobVersion[]): boolean {
  const { state, version } = execution
  return state === 'superseded' || (state === 'cancelled' && !mayBeClosed(execution, version, versions))
}

/** Whether it needed no run to be an outcome: another one held the overlap place, or it was too late. */
const endedWithoutRun = ({ state }: Execution) => state === 'skipped' || state === 'expired'

/** Whether an execution is an outcome of the fire time of a version, or was only closed for another one's. */
const isClosed = ({ state }: Execution) => state === 'superseded' || state === 'cancelled'

/** I1: each covered fire time has one outcome, and it is one (as proof/model/accounts.ts). */
export const checkFireTimes: Check = ({ records, calls }) => {
  const fireLog = fireLogOf(records)
  return [...records.versions].flatMap(([jobId, versions]) =>
    coveredTimes(jobId, versions).flatMap(({ fireAt, version }): Violation[] => {
      const id = scheduledExecutionId(jobId, fireAt)
      const execution = records.executions.get(id)
      const starts = calls.filter(({ executionId }) => executionId === id).length
      const logged = (fireLog.get(jobId) ?? []).filter((range) => {
        if (fireAt < range.from || range.to < fireAt) return false
        const writer = versions.find((one) => one.version === range.version)
        return writer === undefined || hasTime(writer, jobId, fireAt)
      })
      const about = `the fire time ${new Date(fireAt).toISOString().slice(11, 23)} (${fireAt}) of v${version.version}`
      // Known limit of decision 002: what is late is decided on anew after an update, though it has run, was skipped or has expired. It is
      // missed, or, where a pause, cancel or delete comes before the scheduler has the update, skipped.
      const hasEnded = execution !== undefined && (starts > 0 || endedWithoutRun(execution))
      const wasDecided = hasEnded && execution.version < version.version
      const isStopped = versions.some((one) => one.version > version.version && isClosing(one))
      const decidedAnew = isStopped ? ['missed', 'skipped'] : ['missed']
      if (wasDecided && logged.length === 1 && decidedAnew.includes(logged[0]?.decision ?? '')) return []
      // One that was closed before it started says the same as the range: it did not run.
      const counts = execution !== undefined && !(logged.length > 0 && isClosed(execution) && starts === 0)
      const outcomes = (counts ? 1 : 0) + logged.length
      if (outcomes !== 1) {
        const ranges = logged.map(({ decision, from, to, version }) => `${decision} ${from}-${to}@v${version}`)
        const what = execution ? `an execution ${execution.state} v${execution.version}` : 'no execution'
        const text = `${about} has ${outcomes} outcomes: ${[what, ...ranges].join(', ')}`
        return [{ rule: 'I1', subject: execution ? id : jobId, text }]
      }
      if (!execution || isFinal(execution) || mayBeClosed(execution, version.version, versions)) return []
      return [
        { rule: 'I1', subject: id, text: `${about} was not run: it ended ${execution.state} at v${execution.version}` },
      ]
    }),
  )
}

/** I1: a range counts the fire times that it covers. */
export const checkRanges: Check = ({ records }) =>
  [...fireLogOf(records)].flatMap(([jobId, ranges]) =>
    ranges.flatMap((range): Violation[] => {
      const version = records.versions.get(jobId)?.find((one) => one.version === range.version)
      const times = version ? timesOf(version, jobId) : null
      if (times === null) return []
      const count = times.count(range.from, range.to)
      if (count === range.count) return []
      return [
        {
          rule: 'I1',
          subject: jobId,
          text: `a range counts ${range.count} fire times, there are ${count}: ${JSON.stringify(range)}`,
        },
      ]
    }),
  )
