import { isRefusal } from '@belfry/contracts'
import type { Execution } from '../../../apps/executor-service/src/executions/execution.ts'
import type { Fault } from '../configuration.ts'
import { type Attempt, type Executor, type Seat, type Slot, seats, slots, type World } from '../world.ts'
import { aborted } from './attempts.ts'
import { type Act, type Context, withCalls, withExecution, withExecutor } from './step.ts'

/** A name under which nothing was claimed that may still be seen. */
function freshName(world: World, seat: Seat): string {
  const used = JSON.stringify([world.alive, world.first, world.second, world.manual, world.a, world.b])
  for (let number = 1; ; number++) if (!used.includes(`"${seat}${number}"`)) return `${seat}${number}`
}

function mayFail({ config }: Context, world: World, kind: Fault): boolean {
  return world.faultsLeft > 0 && config.faults.kinds.includes(kind)
}

/** A process may die at any moment, lose its lease, or be asked to stop; one that died starts again under another name. */
function lifeActs(context: Context, world: World, seat: Seat): Act[] {
  const executor = world[seat] as Executor
  const { name, isUp, hasLease, isStopping } = executor
  const faultsLeft = world.faultsLeft - 1
  if (!isUp) return [{ name: `executor ${seat} starts again`, apply: () => enlisted(world, seat) }]
  const acts: Act[] = []
  const down = { isUp: false, hasLease: false, isStopping: false, attempts: {} }
  if (mayFail(context, world, 'crash'))
    acts.push({
      name: `${name} dies`,
      isFault: true,
      apply: () => ({ ...withExecutor(world, seat, down), faultsLeft }),
    })
  if (mayFail(context, world, 'lapse') && hasLease)
    acts.push({
      name: `${name} loses its lease`,
      isFault: true,
      apply: () => ({ ...withExecutor(world, seat, { hasLease: false }), faultsLeft }),
    })
  if (isSuspended(executor)) return acts
  if (mayFail(context, world, 'stop') && !isStopping)
    acts.push({
      name: `${name} is asked to stop`,
      isFault: true,
      apply: () => ({ ...stopping(world, seat), faultsLeft }),
    })
  if (isStopping && Object.keys(executor.attempts).length === 0)
    acts.push({
      name: `${name} has stopped`,
      apply: () => ({ ...withExecutor(world, seat, down), alive: world.alive.filter((one) => one !== name) }),
    })
  if (!hasLease) acts.push(beat(context, world, seat))
  return acts
}

/** The process is between the look at its lease and the call of a handler, which comes at once. */
export function isSuspended({ attempts }: Executor): boolean {
  return slots.some((slot) => attempts[slot]?.phase === 'go')
}

function enlisted(world: World, seat: Seat): World {
  const name = freshName(world, seat)
  const started = { name, isUp: true, hasLease: true, isStopping: false }
  return { ...withExecutor(world, seat, started), alive: [...world.alive, name].sort() }
}

function withAborted(world: World, seat: Seat, reason: 'gone' | 'shutdown'): World {
  const attempts: Partial<Record<Slot, Attempt>> = {}
  for (const [slot, attempt] of Object.entries((world[seat] as Executor).attempts))
    attempts[slot as Slot] = aborted(attempt, reason)
  return withExecutor(world, seat, { attempts })
}

function stopping(world: World, seat: Seat): World {
  return withExecutor(withAborted(world, seat, 'shutdown'), seat, { isStopping: true })
}

/** A sign of life gets through: the executor goes on, or learns that it was taken for dead (docs/protocol.md step 11). */
function beat({ rules }: Context, world: World, seat: Seat): Act {
  const { name, isStopping } = world[seat] as Executor
  if (world.alive.includes(name))
    return {
      name: `${name} beats, and has its lease again`,
      apply: () => withExecutor(world, seat, { hasLease: true }),
    }
  const apply = () => {
    const abandoned = rules.abandons() ? withAborted(world, seat, 'gone') : world
    return withExecutor(enlisted(abandoned, seat), seat, { isStopping })
  }
  return { name: `${name} beats and learns that it is gone: it takes another name`, apply }
}

/** An executor that may act for others: it is up, and is not the one it acts against (step 13). */
function hasOther(world: World, name: string): boolean {
  return seats.some((seat) => {
    const executor = world[seat]
    return executor?.isUp === true && executor.name !== name && !isSuspended(executor)
  })
}

function isSilent(world: World, name: string): boolean {
  return !seats.some((seat) => world[seat]?.name === name && world[seat]?.isUp && world[seat]?.hasLease)
}

/** `isExcuse`: its handler may be at work, so that another start of it is explained. */
function lost(context: Context, world: World, slot: Slot, by: string, isExcuse: boolean): Act[] {
  const execution = world[slot] as Execution
  const { epoch } = execution
  const after = context.rules.lose(execution, { epoch, at: world.now, inDoubt: true })
  if (isRefusal(after)) return []
  const apply = () => {
    const stored = withExecution(context, world, slot, after)
    return isExcuse ? withCalls(stored, slot, (calls) => ({ ...calls, excuses: calls.excuses + 1 })) : stored
  }
  return [{ name: `${by} epoch ${epoch} of ${slot}: ${after.state}`, apply }]
}

/** Executors that are silent are marked as gone, and what they own is given back (steps 11 and 13). */
function rescueActs(context: Context, world: World): Act[] {
  const { rules } = context
  const acts: Act[] = []
  for (const name of world.alive)
    if (hasOther(world, name) && rules.mayMarkGone(isSilent(world, name)))
      acts.push({
        name: `another executor marks ${name} as gone`,
        apply: () => ({ ...world, alive: world.alive.filter((one) => one !== name) }),
      })
  for (const slot of slots) {
    const execution = world[slot]
    if (execution?.state !== 'running') continue
    const owner = execution.owner ?? ''
    const isAlive = world.alive.includes(owner)
    if (hasOther(world, owner) && rules.mayGiveBack(isAlive))
      acts.push(...lost(context, world, slot, `another executor gives back`, !isAlive))
    if (isMissed(context, world, owner, slot))
      acts.push(...lost(context, world, slot, `${owner} does not hold and gives back`, false))
  }
  return acts
}

/** The owner does not hold it although no claim of it is under way: an answer was lost. */
function isMissed({ rules }: Context, world: World, owner: string, slot: Slot): boolean {
  const seat = seats.find((one) => world[one]?.name === owner && world[one]?.isUp)
  if (!seat || !rules.looksForHeld()) return false
  const executor = world[seat] as Executor
  return !isSuspended(executor) && executor.attempts[slot]?.epoch !== world[slot]?.epoch
}

export function membershipActs(context: Context, world: World): Act[] {
  const acts = rescueActs(context, world)
  for (const seat of seats) if (world[seat]) acts.push(...lifeActs(context, world, seat))
  return acts
}
