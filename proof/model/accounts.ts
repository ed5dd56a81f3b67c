import { isEnded, isFinal, type JobChange } from '@belfry/contracts'
import { compileSchedule } from '@belfry/time'
import type { Execution } from '../../apps/executor-service/src/executions/execution.ts'
import type { Configuration } from './configuration.ts'
import type { Calls, World } from './world.ts'

type Coverage = 'active' | 'paused' | 'over'

const stopping: readonly JobChange['kind'][] = ['pause', 'cancel', 'delete']

/** The version that a fire time belongs to, what the job was then, and whether that version's schedule has it. */
function coverageOf(changes: readonly JobChange[], fireAt: number): { version: number; state: Coverage; has: boolean } {
  const before = changes.filter(({ changedAt }) => changedAt < fireAt)
  const kind = before.findLast((one) => one.kind !== 'update')?.kind ?? 'create'
  const state = kind === 'pause' ? 'paused' : kind === 'cancel' || kind === 'delete' ? 'over' : 'active'
  const { version, schedule } = before.at(-1) ?? (changes[0] as JobChange)
  const times = compileSchedule(schedule, '')
  return { version, state, has: !('issue' in times) && times.count(fireAt, fireAt) === 1 }
}

/** Whether an execution that came to rest did so because of a stop that came after the version which its fire time belongs to. */
function isStopped(changes: readonly JobChange[], version: number): boolean {
  return changes.some((one) => one.version > version && stopping.includes(one.kind))
}

/** I1 for one fire time that is past: one outcome, in an execution or in a range of the fire log. */
function accountOf(world: World, fireAt: number, execution: Execution | null, { starts }: Calls): string | undefined {
  const { changes } = world.job
  const { version, state, has } = coverageOf(changes, fireAt)
  const ranges = world.fireLog.filter(({ from, to, count }) => count > 0 && from <= fireAt && fireAt <= to)
  const decisions = ranges.map(({ decision, reason }) => `${decision} (${reason})`).join(', ') || 'no range'
  const about = `the fire time ${fireAt} of version ${version} (${state}): ${execution?.state ?? 'no execution'}, ${decisions}`
  const hasEnded = execution !== null && isEnded(execution.state)
  if (execution !== null && !hasEnded) return `I10: ${about}`
  if (state === 'active' && has) {
    const isDone = execution !== null && (isFinal(execution) || isStopped(changes, version))
    // One that was closed before it started says the same as the range: it did not run.
    const isClosed = execution?.state === 'superseded' || execution?.state === 'cancelled'
    const counts = isDone && !(ranges.length > 0 && isClosed && starts === 0)
    // Known limit of decision 002: late fire times are decided on anew after an update, though the version before may have run them.
    const ranBefore = starts > 0 && execution !== null && execution.version < version
    if (ranBefore && ranges.length === 1 && ranges[0]?.decision === 'missed') return undefined
    const outcomes = (counts ? 1 : 0) + ranges.length
    return outcomes === 1 ? undefined : `I1: ${about}`
  }
  // It may have run as an execution of an older version that the answer to the change has listed.
  if (execution !== null && starts > 0 && execution.version >= version) return `I1: ${about}, and it has run`
  const isLater = changes.some((one) => one.version > version)
  const isPauseOver = state === 'paused' && has && isLater
  if (isPauseOver && ranges.length !== 1) return `I1: ${about}`
  return ranges.length > 1 || (!isPauseOver && ranges.length > 0) ? `I1: ${about}` : undefined
}

/** What is wrong once all is done and no fire time is left. */
export function checkAccounts(config: Configuration, world: World): string | undefined {
  const [first = 0, second] = config.fireTimes
  const wrong =
    accountOf(world, first, world.first, world.firstCalls) ??
    (second === undefined ? undefined : accountOf(world, second, world.second, world.secondCalls))
  if (wrong) return wrong
  const { trigger, manual } = world
  if (!trigger) return undefined
  if (!manual || !isEnded(manual.state)) return 'I3: the trigger that was answered has not ended'
  const isOver = isFinal(manual) || isStopped(world.job.changes, trigger.jobVersion)
  return isOver ? undefined : `I3: the trigger that was answered is ${manual.state}`
}
