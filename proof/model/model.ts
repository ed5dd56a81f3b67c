import { isEnded } from '@belfry/contracts'
import { checkAccounts } from './accounts.ts'
import type { Configuration } from './configuration.ts'
import { initialWorld } from './initial.ts'
import { mirrored } from './mirror.ts'
import { withSmallNumbers } from './renumbered.ts'
import type { Rules } from './rules.ts'
import type { Step, System } from './search/search.ts'
import { attemptActs, limitedLeases } from './steps/attempts.ts'
import { busActs, pruned } from './steps/bus.ts'
import { claimActs } from './steps/claims.ts'
import { fenceActs } from './steps/fence.ts'
import { intakeActs } from './steps/intake.ts'
import { jobServiceActs } from './steps/job-service.ts'
import { isSuspended, membershipActs } from './steps/membership.ts'
import { schedulerActs } from './steps/scheduler.ts'
import { type Act, Broken, type Context, endsOnce, isLastMoment } from './steps/step.ts'
import { wakeActs } from './steps/waiting.ts'
import { wholeActs } from './steps/whole.ts'
import { seats, slots, type World } from './world.ts'

function timeActs({ config: { moments } }: Context, world: World): Act[] {
  const next = moments[moments.indexOf(world.now) + 1]
  return next === undefined ? [] : [{ name: `the clock shows ${next}`, apply: () => ({ ...world, now: next }) }]
}

function executorActs(context: Context, world: World): Act[] {
  if (context.config.hasWholeRuns) return wholeActs(context, world)
  return seats.flatMap((seat) => {
    const executor = world[seat]
    if (!executor?.isUp) return []
    const isHeldUp = isSuspended(executor)
    return slots.flatMap((slot) => {
      if (!world[slot]) return []
      const isNext = executor.attempts[slot]?.phase === 'go'
      if (isHeldUp && !isNext) return []
      return [...claimActs(context, world, seat, slot), ...attemptActs(context, world, seat, slot)]
    })
  })
}

/** All that may happen next. */
function actsOf(context: Context, world: World): Act[] {
  return [
    ...timeActs(context, world),
    ...jobServiceActs(context, world),
    ...fenceActs(context, world),
    ...schedulerActs(context, world),
    ...intakeActs(context, world),
    ...executorActs(context, world),
    ...wakeActs(context, world),
    ...membershipActs(context, world),
    ...busActs(context, world),
  ]
}

function taken(world: World, { name, isFault = false, apply }: Act): Step<World> {
  try {
    return { name, isFault, to: apply() }
  } catch (error) {
    if (error instanceof Broken) return { name, isFault, to: world, violation: error.message }
    throw error
  }
}

/** Versions only grow, and what has ended for good stays so (I4, I9). */
function checkStep(before: World, after: World): string | undefined {
  if (after.job.version < before.job.version) return 'I9: the version of the job goes back'
  if ((after.schedule?.version ?? 0) < (before.schedule?.version ?? 0))
    return 'I9: the version of the schedule goes back'
  if (after.admission.minVersion < before.admission.minVersion)
    return 'I9: the lowest version of the admission goes back'
  for (const slot of slots) {
    if ((after.copies[slot] ?? 0) < (before.copies[slot] ?? 0)) return `I4: the copy of ${slot} goes back`
    const [was, is] = [before[slot], after[slot]]
    if (was === is) continue
    if ((is?.version ?? 0) < (was?.version ?? 0)) return `I9: the version of ${slot} goes back`
    if ((is?.epoch ?? 0) < (was?.epoch ?? 0)) return `I2: the epoch of ${slot} goes back`
    if (!endsOnce(was, is)) return `I4: ${slot} has ended as ${was?.state} and changes to ${is?.state}`
  }
  return undefined
}

function checkLimit({ config }: Context, world: World): string | undefined {
  const leases = limitedLeases(world)
  const { limit } = config.overlap
  return leases.length > limit ? `I13: ${leases.join(', ')} are past the admission together` : undefined
}

function isGoal(context: Context, world: World): boolean {
  const { marks, copies } = context.config
  if (!isLastMoment(context, world.now) || world.call || (marks && world.admission.unsettled !== 0)) return false
  const { job, schedule, trigger } = world
  if (world.fencedVersion < job.version || schedule?.version !== job.version) return false
  if (schedule.pending.length + schedule.fireLogOutbox.length > 0) return false
  if (schedule.state === 'active' && schedule.nextFireAt !== null) return false
  if (trigger && !(trigger.isAnswered && world.manual)) return false
  const isOpen = slots.some((slot) => world[slot] && !isEnded(world[slot].state))
  const isHeld = seats.some((seat) => Object.keys(world[seat]?.attempts ?? {}).length > 0)
  const isCopied = !copies || slots.every((slot) => (world[slot]?.seq ?? 0) === (world.copies[slot] ?? 0))
  return !isOpen && !isHeld && isCopied && world.readings.every((one) => one === null)
}

/** Everything that may happen to one job within the bounds of a configuration, by these rules. */
export function createModel(config: Configuration, rules: Rules): System<World> {
  const context: Context = { config, rules }
  return {
    initial: initialWorld(config),
    steps: (world) => actsOf(context, world).map((act) => taken(world, act)),
    canonical: (world) => mirrored(withSmallNumbers(pruned(context, world))),
    check: (world) => checkLimit(context, world),
    checkStep,
    isGoal: (world) => isGoal(context, world),
    checkGoal: (world) => checkAccounts(config, world),
  }
}
