import { isRefusal, type JobExecuteMessage } from '@belfry/contracts'
import { type Seat, seats, type World } from '../world.ts'
import { claimedAttempt, mayClaim } from './claims.ts'
import { admitted, sendableCommands } from './scheduler.ts'
import { type Act, type Context, isDue, slotOf, withAttempt, withExecution } from './step.ts'

/**
 * A command comes to the executors (docs/protocol.md step 8). Which of them takes it matters only where it is claimed at once. `isSure`:
 * its sender repeats it, so it comes in any case; otherwise it is a message of old that may as well be lost.
 */
function take(context: Context, world: World, command: JobExecuteMessage, isSure: boolean): Act[] {
  const { rules, config } = context
  const slot = slotOf(config, command.fireAt, command.cause)
  const existing = world[slot]
  const about = `the command of ${slot}, version ${command.version},`
  if (!existing || rules.insertCounts(true)) return insert(context, world, command, isSure, about)
  const after = admitted(command, context, existing)
  if (after === existing) return []
  const apply = () => withExecution(context, world, slot, after)
  return [{ name: `${about} replaces the stored one`, isFault: !isSure, apply }]
}

function insert(context: Context, world: World, command: JobExecuteMessage, isSure: boolean, about: string): Act[] {
  const slot = slotOf(context.config, command.fireAt, command.cause)
  const fresh = admitted(command, context, null)
  const acts: Act[] = [
    { name: `${about} is stored`, isFault: !isSure, apply: () => withExecution(context, world, slot, fresh) },
  ]
  if (context.config.hasWholeRuns) return acts
  for (const seat of seats)
    if (mayClaim(context, world, seat) && isDue(context, fresh.runAt, world.now))
      acts.push(...insertClaimed(context, world, seat, command, about))
  return acts
}

/** A due command is stored as running in one step (step 9). */
function insertClaimed(context: Context, world: World, seat: Seat, command: JobExecuteMessage, about: string): Act[] {
  const { rules, config } = context
  const slot = slotOf(config, command.fireAt, command.cause)
  const { name } = world[seat] as NonNullable<World[Seat]>
  const running = rules.claim(admitted(command, context, null), { owner: name })
  if (isRefusal(running) || world[seat]?.attempts[slot]) return []
  const stored = () => withExecution(context, world, slot, running)
  const held = () => withAttempt(stored(), seat, slot, claimedAttempt(context, running, name))
  const acts: Act[] = [{ name: `${about} is stored by ${name} as running`, isFault: true, apply: held }]
  if (config.faults.kinds.includes('claim-lost') && world.faultsLeft > 0)
    acts.push({
      name: `${about} is stored by ${name} as running, and the answer is lost`,
      isFault: true,
      apply: () => ({ ...stored(), faultsLeft: world.faultsLeft - 1 }),
    })
  return acts
}

export function intakeActs(context: Context, world: World): Act[] {
  const sure = sendableCommands(context, world)
  const others = world.commands.filter((one) => !sure.some((other) => isSame(one, other)))
  return [
    ...sure.flatMap((command) => take(context, world, command, true)),
    ...others.flatMap((command) => take(context, world, command, false)),
  ]
}

function isSame(a: JobExecuteMessage, b: JobExecuteMessage): boolean {
  return a.executionId === b.executionId && a.version === b.version
}
