import { isRefusal, takesPlace } from '@belfry/contracts'
import type { AbortReason } from '../../../apps/executor-service/src/attempts/attempt.ts'
import { type Execution, recordedStart } from '../../../apps/executor-service/src/executions/execution.ts'
import type { AttemptOutcome } from '../../../apps/executor-service/src/executions/outcome.ts'
import { type Attempt, type Executor, type Seat, type Slot, seats, slots, type World } from '../world.ts'
import { type Act, Broken, type Context, isLastMoment, withAttempt, withCalls, withExecution } from './step.ts'

type Outcome = 'succeeded' | 'failed' | 'ignored'

/** What a handler comes to. `ignored`: it does not stop within the grace time. */
const outcomes: Record<Outcome, AttemptOutcome> = {
  succeeded: { kind: 'succeeded', result: null },
  failed: { kind: 'failed', error: { code: 'x', message: 'x' }, retry: 'policy', timedOut: false },
  ignored: { kind: 'failed', error: { code: 'x', message: 'x' }, retry: 'policy', timedOut: false },
}

/** Its attempt is past the admission, and its record says so. */
function isPastAdmission(world: World, slot: Slot, attempt: Attempt): boolean {
  const phases: readonly Attempt['phase'][] = ['waiting', 'starting', 'go', 'work']
  const execution = world[slot]
  const isOwner =
    execution?.state === 'running' && execution.epoch === attempt.epoch && execution.owner === attempt.owner
  return isOwner && phases.includes(attempt.phase) && attempt.abortedFor === null
}

/** The executions that hold a lease past the admission and do not allow overlap. */
export function limitedLeases(world: World): Slot[] {
  return slots.filter((slot) => {
    const execution = world[slot]
    if (!execution || !takesPlace(execution.policy.overlap)) return false
    return seats.some((seat) => {
      const attempt = world[seat]?.attempts[slot]
      return attempt !== undefined && isPastAdmission(world, slot, attempt)
    })
  })
}

/**
 * The lease is looked at (I13: beside it no other run of the job may be at work), and the handler is called next: at once, or after
 * the process was suspended between the two.
 */
export function goes(context: Context, world: World, seat: Seat, slot: Slot, attempt: Attempt): World {
  const { overlap } = (world[slot] as Execution).policy
  const others = limitedLeases(world).filter((one) => one !== slot || !isPastAdmission(world, slot, attempt))
  if (takesPlace(overlap) && others.length >= overlap.limit)
    throw new Broken(`I13: ${slot} starts beside ${others.join(', ')}`)
  if (!context.config.suspends) return called(context, world, seat, slot, attempt)
  return withAttempt(world, seat, slot, { ...attempt, phase: 'go' })
}

/** A claim that was admitted: at its time, with a lease, and with a start that is recorded first where that is asked. */
function begin(context: Context, world: World, seat: Seat, slot: Slot, attempt: Attempt): Act[] {
  const { rules } = context
  const { name, hasLease } = world[seat] as Executor
  const isTime = isLastMoment(context, world.now) || rules.startsAt(attempt.runAt, world.now)
  if (!isTime || !rules.mayStart(hasLease)) return []
  if (!attempt.recordsFirst)
    return [
      { name: `${name} looks at its lease and starts ${slot}`, apply: () => goes(context, world, seat, slot, attempt) },
    ]
  const execution = world[slot] as Execution
  const started = rules.start(execution, { epoch: attempt.epoch, startedAt: world.now, hasHappened: false })
  const isRefused = isRefusal(started) || recordedStart(started) === null
  if (isRefused)
    return [
      {
        name: `${name} may not record the start of ${slot}`,
        apply: () => withAttempt(world, seat, slot, { ...attempt, phase: 'withdrawn' }),
      },
    ]
  return [
    {
      name: `${name} records the start of ${slot}`,
      apply: () => {
        const stored = started === execution ? world : withExecution(context, world, slot, started)
        return withAttempt(stored, seat, slot, { ...attempt, phase: 'starting' })
      },
    },
  ]
}

/** Its start is recorded: the handler is called once the lease holds, or not at all when it was aborted meanwhile. */
function go(context: Context, world: World, seat: Seat, slot: Slot, attempt: Attempt): Act[] {
  const { name, hasLease } = world[seat] as Executor
  if (attempt.abortedFor !== null) {
    return [end(context, world, seat, slot, attempt, 'failed', `${name} does not call the handler of ${slot}`)]
  }
  if (!context.rules.mayStart(hasLease)) return []
  return [
    { name: `${name} looks at its lease and starts ${slot}`, apply: () => goes(context, world, seat, slot, attempt) },
  ]
}

/** Whether what a 200 has promised closes this start (I8). */
function isPromisedAway(world: World, slot: Slot, { version, epoch }: Attempt): number | null {
  const { fireAt, cause } = world[slot] as Execution
  for (const one of world.promised) {
    if (version >= one.version || one.listed.includes(`${slot} ${epoch}`)) continue
    const isStop = one.kind === 'pause' || one.kind === 'cancel' || one.kind === 'delete'
    if (isStop || (cause === 'schedule' && one.changedAt < fireAt)) return one.version
  }
  return null
}

/** The handler is called: the effect that the target sees. */
function called(context: Context, world: World, seat: Seat, slot: Slot, attempt: Attempt): World {
  const execution = world[slot] as Execution
  const isLast = isLastMoment(context, world.now)
  if (!isLast && (world.now < execution.fireAt || world.now < attempt.runAt))
    throw new Broken(`I5: ${slot} starts early`)
  const version = isPromisedAway(world, slot, attempt)
  if (version !== null)
    throw new Broken(
      `I8: ${slot} starts as epoch ${attempt.epoch} after the 200 to version ${version}, which did not list it`,
    )
  const next = withAttempt(world, seat, slot, { ...attempt, phase: 'work' })
  return withCalls(next, slot, (calls) => {
    const starts = calls.starts + 1
    if (starts - 1 > calls.excuses) throw new Broken(`I7: ${slot} starts ${starts} times with ${calls.excuses} reasons`)
    if (execution.policy.onLostLease === 'fail' && starts - 1 > calls.failures)
      throw new Broken(`I7: ${slot} must run at most once and starts ${starts} times`)
    return { ...calls, starts }
  })
}

/** What the handler comes to, and its start when it is shown before that. */
function work(context: Context, world: World, seat: Seat, slot: Slot, attempt: Attempt): Act[] {
  const { name } = world[seat] as Executor
  const about = `the handler of ${slot} on ${name}`
  const acts = [end(context, world, seat, slot, attempt, 'succeeded', `${about} succeeds`)]
  if (attempt.abortedFor !== null) {
    acts.push(end(context, world, seat, slot, attempt, 'failed', `${about} obeys`))
    acts.push(end(context, world, seat, slot, attempt, 'ignored', `${about} does not obey`))
  } else if (world.failuresLeft > 0) {
    const failing = { ...world, failuresLeft: world.failuresLeft - 1 }
    acts.push({ ...end(context, failing, seat, slot, attempt, 'failed', `${about} fails`), isFault: true })
  }
  return [...acts, ...show(context, world, seat, slot, attempt)]
}

/** A run that lasts is shown as running: its start is recorded while it is at work (decision 011). */
function show(context: Context, world: World, seat: Seat, slot: Slot, attempt: Attempt): Act[] {
  const execution = world[slot] as Execution
  if (!context.config.shows || attempt.abortedFor !== null) return []
  const shown = context.rules.start(execution, { epoch: attempt.epoch, startedAt: world.now, hasHappened: true })
  if (isRefusal(shown) || shown === execution) return []
  return [
    {
      name: `${(world[seat] as Executor).name} shows the run of ${slot}`,
      apply: () => withExecution(context, world, slot, shown),
    },
  ]
}

/**
 * The handler is done, and the end of the attempt is recorded, or refused as stale (docs/protocol.md step 12). A process that dies between
 * the two leaves the same behind as one that dies before.
 */
export function end(
  context: Context,
  world: World,
  seat: Seat,
  slot: Slot,
  attempt: Attempt,
  outcome: Outcome,
  about: string,
): Act {
  const { rules } = context
  const execution = world[slot] as Execution
  const { epoch, abortedFor } = attempt
  const ending = { execution: { epoch }, startedAt: world.now, abortedFor, ignoredAbort: outcome === 'ignored' }
  const input = { at: world.now, outcome: outcomes[outcome], artifacts: [], random: 0 }
  const after = rules.ended(execution, ending, input)
  if (isRefusal(after)) {
    const taken = rules.takeBack(execution, epoch)
    const stored = () => (taken === execution ? world : withExecution(context, world, slot, taken))
    return {
      name: `${about}: epoch ${epoch} does not count any more`,
      apply: () => withAttempt(stored(), seat, slot, null),
    }
  }
  const apply = () => {
    const isOwner = execution.epoch === epoch && execution.owner === attempt.owner
    if (!isOwner || execution.state !== 'running')
      throw new Broken(
        `I2: epoch ${epoch} of ${attempt.owner} changes the record of epoch ${execution.epoch} of ${execution.owner}`,
      )
    const next = withAttempt(withExecution(context, world, slot, after), seat, slot, null)
    if (outcome === 'succeeded') return next
    const own = after.failures > execution.failures ? 1 : 0
    return withCalls(next, slot, (calls) => ({
      ...calls,
      excuses: calls.excuses + 1,
      failures: calls.failures + own,
    }))
  }
  return { name: `${about}: ${slot} is ${after.state}`, apply }
}

/** Stops an attempt for this reason, as `Dispatcher` does: before its start it is given back. */
export function aborted(attempt: Attempt, reason: AbortReason): Attempt {
  if (attempt.phase === 'waiting') return { ...attempt, phase: 'withdrawn' }
  if (attempt.phase === 'withdrawn' || attempt.phase === 'go') return attempt
  return attempt.abortedFor === null ? { ...attempt, abortedFor: reason } : attempt
}

/** The reasons for which this process would abort the attempt now: a cancel is stored, or the lease has run out. */
function abort(world: World, seat: Seat, slot: Slot, attempt: Attempt): Act[] {
  const { name, hasLease } = world[seat] as Executor
  const execution = world[slot] as Execution
  const acts: Act[] = []
  const put = (reason: AbortReason, text: string) => {
    const next = aborted(attempt, reason)
    if (next !== attempt)
      acts.push({ name: `${name} aborts ${slot}: ${text}`, apply: () => withAttempt(world, seat, slot, next) })
  }
  if (execution.cancelRequested && execution.epoch === attempt.epoch && execution.owner === attempt.owner)
    put('cancel', 'its cancel is stored')
  const { policy } = execution
  const isLimited = takesPlace(policy.overlap) || policy.onLostLease === 'fail'
  if (!hasLease && isLimited && attempt.phase === 'work') put('no-lease', 'the lease has run out')
  return acts
}

/** From admitted to the recorded end (docs/protocol.md steps 10 and 12), for one execution in one process. */
export function attemptActs(context: Context, world: World, seat: Seat, slot: Slot): Act[] {
  const attempt = world[seat]?.attempts[slot]
  if (!attempt) return []
  const { phase } = attempt
  if (phase === 'go') {
    const name = `${world[seat]?.name} calls the handler of ${slot} as epoch ${attempt.epoch}`
    return [{ name, apply: () => called(context, world, seat, slot, attempt) }]
  }
  const acts = abort(world, seat, slot, attempt)
  if (phase === 'waiting') acts.push(...begin(context, world, seat, slot, attempt))
  if (phase === 'starting') acts.push(...go(context, world, seat, slot, attempt))
  if (phase === 'work') acts.push(...work(context, world, seat, slot, attempt))
  return acts
}
