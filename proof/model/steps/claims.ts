import { type ExecutionState, isRefusal, takesPlace } from '@belfry/contracts'
import type { Admission } from '../../../apps/executor-service/src/admission/admission.ts'
import type { Decisions } from '../../../apps/executor-service/src/admission/admit-claims.ts'
import type { Stop } from '../../../apps/executor-service/src/admission/stop-claims.ts'
import type { Stored } from '../../../apps/executor-service/src/store/ports.ts'
import { canonicalAdmission } from '../canonical.ts'
import { type Attempt, type Executor, type Seat, type Slot, slots, type World } from '../world.ts'
import {
  type Act,
  Broken,
  type Context,
  isDue,
  isLastMoment,
  withAdmission,
  withAttempt,
  withExecution,
} from './step.ts'
import { type Execution, waitsForSamePlace } from './waiting.ts'

/** Claims of one execution that the bounds of a search can lead to, and more. */
const mostEpochs = 12

/** How long an execution waits for a place until it is claimed again: to the next moment of the clock. */
const placeRecheckMs = 1

export function mayClaim({ rules }: Context, world: World, seat: Seat): boolean {
  const executor = world[seat]
  if (!executor?.isUp || executor.isStopping) return false
  return rules.mayStart(executor.hasLease)
}

export function claimedAttempt({ rules }: Context, execution: Execution, owner: string): Attempt {
  const { epoch, version, runAt } = execution
  return {
    epoch,
    owner,
    version,
    runAt,
    recordsFirst: rules.recordsStartFirst(execution),
    phase: 'claimed',
    abortedFor: null,
  }
}

/** Whether a claim may come now: at its time or ahead of it, which is at any time after the moment before it. */
function isClaimable(context: Context, world: World, execution: Execution): boolean {
  const { moments } = context.config
  const next = moments[moments.indexOf(world.now) + 1] ?? world.now
  return isDue(context, execution.runAt, next)
}

/** ready -> running, and the attempt in the memory of the process. */
function claim(context: Context, world: World, seat: Seat, slot: Slot): Act[] {
  const { rules, config } = context
  const { name, attempts } = world[seat] as Executor
  const execution = world[slot]
  if (!execution || attempts[slot] || !mayClaim(context, world, seat)) return []
  const canLose = config.faults.kinds.includes('claim-lost') && world.faultsLeft > 0
  if (canLose && execution.state === 'running' && execution.owner !== name) {
    const attempt: Attempt = { ...claimedAttempt(context, execution, name), phase: 'withdrawn' }
    const late = () => ({ ...withAttempt(world, seat, slot, attempt), faultsLeft: world.faultsLeft - 1 })
    return [{ name: `${name} claims ${slot} too late, and the answer is lost`, isFault: true, apply: late }]
  }
  if (!isClaimable(context, world, execution) || waitsForSamePlace(context, world, execution)) return []
  const running = rules.claim(execution, { owner: name })
  if (isRefusal(running)) return []
  const attempt = claimedAttempt(context, running, name)
  const stored = () => {
    if (running.epoch > mostEpochs) throw new Broken(`I10: ${slot} is claimed over and over`)
    return withExecution(context, world, slot, running)
  }
  const acts: Act[] = [
    {
      name: `${name} claims ${slot} as epoch ${attempt.epoch}`,
      apply: () => withAttempt(stored(), seat, slot, attempt),
    },
  ]
  if (canLose)
    acts.push({
      name: `${name} claims ${slot} as epoch ${attempt.epoch}, and the answer is lost`,
      isFault: true,
      apply: () => ({
        ...withAttempt(stored(), seat, slot, { ...attempt, phase: 'withdrawn' }),
        faultsLeft: world.faultsLeft - 1,
      }),
    })
  return acts
}

/** The claim as the process knows it: the record at the moment of the claim. */
function storedClaim(world: World, slot: Slot, attempt: Attempt): Stored {
  const execution = {
    ...(world[slot] as Execution),
    version: attempt.version,
    runAt: attempt.runAt,
    epoch: attempt.epoch,
  }
  return { rowId: slot as unknown as Stored['rowId'], size: 0, execution }
}

type Answer = { readonly decision: 'start' | 'early' } | { readonly decision: 'stop'; readonly stop: Stop }

/** What the rule makes of the claim, by the admission and the states that the process has read (step 9). */
export function decide(
  context: Context,
  world: World,
  slot: Slot,
  attempt: Attempt,
  admission: Admission,
): { readonly answer: Answer; readonly to: Admission } {
  const claim = storedClaim(world, slot, attempt)
  const at = isLastMoment(context, world.now) ? Number.MAX_SAFE_INTEGER : world.now
  const decisions: Decisions = { at, placeGraceMs: 0, early: new Set(), stops: new Map(), cancels: new Map() }
  const stateOf = (id: string): ExecutionState | undefined => {
    const isListed = admission.places.includes(id) || admission.waiting.includes(id)
    return isListed ? executionOf(world, id)?.state : 'running'
  }
  const to = context.rules.admitJob(admission, [claim], stateOf, decisions)
  const stop = decisions.stops.get(claim)
  if (stop) return { to, answer: { decision: 'stop', stop } }
  return { to, answer: { decision: decisions.early.has(claim) ? 'early' : 'start' } }
}

function executionOf(world: World, id: string): Execution | undefined {
  for (const slot of slots) if (world[slot]?.id === id) return world[slot] ?? undefined
  return undefined
}

/** The world after the process has its answer. */
function answered(world: World, seat: Seat, slot: Slot, attempt: Attempt, answer: Answer): World {
  const { admission: _, placed: __, decision: ___, ...plain } = attempt
  if (answer.decision === 'stop')
    return withAttempt(world, seat, slot, { ...plain, phase: 'stopping', stop: answer.stop })
  if (answer.decision === 'early') return withAttempt(world, seat, slot, { ...plain, phase: 'claimed' })
  // What was aborted meanwhile is given back instead of started.
  return withAttempt(world, seat, slot, { ...plain, phase: plain.abortedFor === null ? 'waiting' : 'withdrawn' })
}

/** Reads the admission, and where places are limited the states of their executions; then takes a place. */
function ask(context: Context, world: World, seat: Seat, slot: Slot, attempt: Attempt): Act[] {
  const { overlap } = context.config
  const { name } = world[seat] as Executor
  const isLimited = takesPlace((world[slot] as Execution).policy.overlap)
  if (attempt.phase === 'claimed' && !isLimited) {
    const { answer } = decide(context, world, slot, attempt, world.admission)
    const outcome = answer.decision === 'stop' ? 'it must not start' : 'it may start'
    return [
      {
        name: `${name} reads the admission for ${slot}: ${outcome}`,
        apply: () => answered(world, seat, slot, attempt, answer),
      },
    ]
  }
  if (attempt.phase === 'claimed') {
    const asking: Attempt = { ...attempt, phase: 'asking', admission: world.admission }
    return [{ name: `${name} reads the admission for ${slot}`, apply: () => withAttempt(world, seat, slot, asking) }]
  }
  const admission = attempt.admission as Admission
  if (attempt.phase === 'asking') {
    const { answer, to } = decide(context, world, slot, attempt, admission)
    if (to === admission)
      return [
        {
          name: `${name} reads the states for ${slot}: ${answer.decision}`,
          apply: () => answered(world, seat, slot, attempt, answer),
        },
      ]
    const placing: Attempt = { ...attempt, phase: 'placing', placed: canonicalAdmission(to), ...decisionOf(answer) }
    return [
      {
        name: `${name} reads the states for ${slot} (${overlap.policy}): ${answer.decision}`,
        apply: () => withAttempt(world, seat, slot, placing),
      },
    ]
  }
  return [place(context, world, seat, slot, attempt, admission)]
}

function decisionOf(answer: Answer): Pick<Attempt, 'decision' | 'stop'> {
  if (answer.decision !== 'stop') return { decision: answer.decision }
  return { decision: answer.stop.step === 'wait' ? 'wait' : 'skip', stop: answer.stop }
}

function place(context: Context, world: World, seat: Seat, slot: Slot, attempt: Attempt, admission: Admission): Act {
  const { name } = world[seat] as Executor
  const { placed, decision, stop, admission: _, ...plain } = attempt
  if (!context.rules.admissionWriteCounts(admission.rev === -1)) {
    const again: Attempt = { ...plain, phase: 'claimed' }
    return {
      name: `${name} loses the race for the admission of ${slot}`,
      apply: () => withAttempt(world, seat, slot, again),
    }
  }
  const answer: Answer = stop ? { decision: 'stop', stop } : { decision: decision === 'early' ? 'early' : 'start' }
  return {
    name: `${name} stores the admission: ${slot} ${decision === 'start' ? 'has a place' : `is to ${decision}`}`,
    apply: () => answered(withAdmission(world, placed as Admission), seat, slot, plain, answer),
  }
}

/** What must not start ends, or waits for a place. */
function stopClaim(context: Context, world: World, seat: Seat, slot: Slot, attempt: Attempt): Act {
  const { name } = world[seat] as Executor
  const execution = world[slot] as Execution
  const stop = attempt.stop as Stop
  const after = context.rules.stopped(execution, attempt.epoch, stop, world.now, placeRecheckMs)
  const apply = () => {
    if (isRefusal(after)) return withAttempt(world, seat, slot, { ...attempt, phase: 'withdrawn' })
    const stored = after === execution ? world : withExecution(context, world, slot, after)
    return withAttempt(stored, seat, slot, null)
  }
  return { name: `${name} stores that ${slot} is not to start: ${stop.step}`, apply }
}

/** A claim that has not started goes back (`Dispatcher.giveBack`). */
function giveBack(
  { rules, ...context }: Context,
  world: World,
  seat: Seat,
  slot: Slot,
  { epoch, owner }: Attempt,
): Act {
  const execution = world[slot] as Execution
  const given = rules.handBack(execution, { epoch, owner }, world.now)
  const after = isRefusal(given) ? rules.takeBackUnstarted(execution, { epoch, owner }) : given
  const stored = () => (after === execution ? world : withExecution({ ...context, rules }, world, slot, after))
  const name = `${(world[seat] as Executor).name} gives epoch ${epoch} of ${slot} back${isRefusal(given) ? ': it is not its own any more' : ''}`
  return { name, apply: () => withAttempt(stored(), seat, slot, null) }
}

/** From ready to admitted (docs/protocol.md step 9), for one execution in one process. */
export function claimActs(context: Context, world: World, seat: Seat, slot: Slot): Act[] {
  const attempt = world[seat]?.attempts[slot]
  if (!attempt) return claim(context, world, seat, slot)
  if (attempt.phase === 'claimed' || attempt.phase === 'asking' || attempt.phase === 'placing')
    return ask(context, world, seat, slot, attempt)
  if (attempt.phase === 'stopping') return [stopClaim(context, world, seat, slot, attempt)]
  if (attempt.phase === 'withdrawn') return [giveBack(context, world, seat, slot, attempt)]
  return []
}
