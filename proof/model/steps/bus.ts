import { isFinal } from '@belfry/contracts'
import { remembered } from '../search/remember.ts'
import { type Promised, type Reading, type Slot, seats, slots, type World } from '../world.ts'
import { type Act, type Context, slotOf } from './step.ts'

/*
 * The bus: what was sent once may arrive at any later time, any number of times, in any order, or never. To be safe whatever arrives,
 * all of that is searched. To come to an end, nothing may depend on it: a step by a message that its sender does not repeat counts as
 * a fault, and what leads to the end are the repetitions and the comparisons over REST.
 */

/** job-service takes a job-status: the newest seq wins, and the command of a trigger is answered (steps 4 and 7). */
function takeStatuses({ config, rules }: Context, world: World): Act[] {
  const { trigger, manual, copies } = world
  const acts: Act[] = []
  if (trigger && !trigger.isAnswered && manual && !config.copies)
    acts.push({
      name: 'job-service is shown manual',
      apply: () => ({ ...world, trigger: { ...trigger, isAnswered: true } }),
    })
  for (const { slot, seq } of world.statuses) {
    if (!rules.statusIsNewer(seq, copies[slot] ?? 0)) continue
    acts.push({
      name: `job-service is shown ${slot} at seq ${seq}`,
      isFault: true,
      apply: () => copied(world, slot, seq),
    })
  }
  return acts
}

/** The world after job-service has stored this state of an execution. */
function copied(world: World, slot: Slot, seq: number): World {
  const copies: Partial<Record<Slot, number>> = {}
  for (const one of slots) {
    const known = one === slot ? seq : world.copies[one]
    if (known !== undefined) copies[one] = known
  }
  const { trigger } = world
  return { ...world, copies, trigger: trigger && slot === 'manual' ? { ...trigger, isAnswered: true } : trigger }
}

/** job-service compares its copies with the executors' records over REST (step 14). */
function reconcile({ config }: Context, world: World): Act[] {
  return slots.flatMap((slot) => {
    const execution = world[slot]
    if (!config.copies || !execution || (world.copies[slot] ?? 0) >= execution.seq) return []
    return [{ name: `job-service reconciles ${slot}`, apply: () => copied(world, slot, execution.seq) }]
  })
}

export function busActs(context: Context, world: World): Act[] {
  return [...takeStatuses(context, world), ...reconcile(context, world)]
}

/**
 * Leaves out what changes nothing any more, whenever it arrives: changes that the scheduler is past, commands of executions that
 * have ended for good or are at their version, statuses that are older than the copy, late fences that are known, and epochs of a
 * promise that cannot start any more.
 */
export function pruned(context: Context, world: World): World {
  if (!context.config.prunes) return world
  const { changes, commands, statuses, strays, promised } = world
  const next = {
    changes: kept(changes, ({ version }) => version > (world.schedule?.version ?? 0)),
    commands: kept(commands, (one) => isOfUse(context, world, one)),
    statuses: kept(statuses, ({ slot, seq }) => seq > (world.copies[slot] ?? 0)),
    strays: kept(strays, (version) => version > world.fencedVersion),
    promised: prunedPromises(context, world),
    call: prunedCall(world),
    readings: prunedReadings(world.readings),
  }
  const isSame =
    next.changes === changes &&
    next.commands === commands &&
    next.statuses === statuses &&
    next.strays === strays &&
    next.promised === promised &&
    next.call === world.call &&
    next.readings === world.readings
  return isSame ? world : { ...world, ...next }
}

/** The same list when nothing is left out. */
function kept<T>(list: readonly T[], isKept: (one: T) => boolean): readonly T[] {
  return list.every(isKept) ? list : list.filter(isKept)
}

function isOfUse({ config }: Context, world: World, { fireAt, cause, version }: World['commands'][number]): boolean {
  const execution = world[slotOf(config, fireAt, cause)]
  if (!execution) return true
  return !isFinal(execution) && version > execution.version
}

/**
 * An epoch that has started, or that no process holds, starts no more. A floor behind the last fire time closes nothing, and what a
 * newer stop closes with no longer list is closed in any case.
 */
function prunedPromises({ config }: Context, world: World): World['promised'] {
  const { promised } = world
  const isNeeded = (one: Promised, index: number) => {
    const closesNone = !isStop(one) && one.changedAt >= (config.fireTimes.at(-1) ?? 0)
    return !closesNone && !promised.slice(index + 1).some((later) => contains(later, one))
  }
  const needed = kept(promised, (one) => isNeeded(one, promised.indexOf(one)))
  if (needed.every(({ listed }) => listed.every((one) => mayStart(world, one)))) return needed
  return needed.map((one) => ({ ...one, listed: one.listed.filter((epoch) => mayStart(world, epoch)) }))
}

/** What a call has listed and cannot start any more is of no use to the promise that it becomes. */
function prunedCall(world: World): World['call'] {
  const { call } = world
  if (!call || call.listed.every((one) => mayStart(world, one))) return call
  return { ...call, listed: call.listed.filter((one) => mayStart(world, one)) }
}

const isStop = ({ kind }: Promised) => kind === 'pause' || kind === 'cancel' || kind === 'delete'

function contains(later: Promised, { listed }: Promised): boolean {
  return isStop(later) && later.listed.every((one) => listed.includes(one))
}

const textOf = remembered((reading: Reading) => JSON.stringify(reading))

/** What a scheduler has read and can store no more is of use only for the ranges that it copies. It does not matter which one has it. */
const prunedReadings = remembered((readings: World['readings']): World['readings'] => {
  const next = readings.map((one) => (one?.isStale && !one.record?.fireLogOutbox.length ? null : one))
  return next.sort((a, b) => ((a ? textOf(a) : '') < (b ? textOf(b) : '') ? -1 : 1))
})

function mayStart(world: World, listed: string): boolean {
  return slots.some((slot) =>
    seats.some((seat) => {
      const attempt = world[seat]?.attempts[slot]
      return attempt !== undefined && attempt.phase !== 'work' && `${slot} ${attempt.epoch}` === listed
    }),
  )
}
