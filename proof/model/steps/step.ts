import { isFinal } from '@belfry/contracts'
import type { Admission } from '../../../apps/executor-service/src/admission/admission.ts'
import type { Execution } from '../../../apps/executor-service/src/executions/execution.ts'
import { canonicalAdmission, canonicalExecution, withMember } from '../canonical.ts'
import type { Configuration } from '../configuration.ts'
import type { Rules } from '../rules.ts'
import { remembered } from '../search/remember.ts'
import { type Attempt, type Calls, type Executor, type Seat, type Slot, seats, slots, type World } from '../world.ts'

export interface Context {
  readonly config: Configuration
  readonly rules: Rules
}

/** A step before it is taken. */
export interface Act {
  readonly name: string
  readonly isFault?: boolean
  /** Throws `Broken` when the step breaks a promise. */
  readonly apply: () => World
}

/** A promise of docs/protocol.md that a step has broken. */
export class Broken extends Error {}

export function isLastMoment({ config: { moments } }: Context, now: number): boolean {
  return now === moments.at(-1)
}

/** Whether a moment has come. The last moment of the clock stands for all later ones. */
export function isDue(context: Context, at: number, now: number): boolean {
  return at <= now || isLastMoment(context, now)
}

/** The world after an execution was stored: its newest state may be on the bus from now on. */
export function withExecution(context: Context, world: World, slot: Slot, after: Execution): World {
  const before = world[slot]
  if (before && after.seq <= before.seq) throw new Broken(`I4: the seq of ${slot} does not grow`)
  const execution = storedExecution(after, context.config.copies)
  const next = { ...world, [slot]: execution }
  if (!context.config.copies) return next
  return { ...next, statuses: withMember(world.statuses, { slot, seq: after.seq }) }
}

const storedExecution = remembered(canonicalExecution)

/** The world after the admission was stored. What others have read of it is not the stored one any more. */
export function withAdmission(world: World, admission: Admission): World {
  let next: World = { ...world, admission: canonicalAdmission(admission) }
  for (const seat of seats) {
    const executor = next[seat]
    if (!executor) continue
    for (const slot of slots) {
      const attempt = executor.attempts[slot]
      if (!attempt?.admission || attempt.admission.rev === -1) continue
      next = withAttempt(next, seat, slot, { ...attempt, admission: { ...attempt.admission, rev: -1 } })
    }
  }
  return next
}

export function withExecutor(world: World, seat: Seat, change: Partial<Executor>): World {
  return { ...world, [seat]: { ...(world[seat] as Executor), ...change } }
}

/** The world in which a process holds this attempt, or none. */
export function withAttempt(world: World, seat: Seat, slot: Slot, attempt: Attempt | null): World {
  const { attempts } = world[seat] as Executor
  const others: Partial<Record<Slot, Attempt>> = {}
  for (const one of slots) {
    const held = one === slot ? attempt : attempts[one]
    if (held) others[one] = held
  }
  return withExecutor(world, seat, { attempts: others })
}

export function withCalls(world: World, slot: Slot, change: (calls: Calls) => Calls): World {
  const name = `${slot}Calls` as const
  return { ...world, [name]: change(world[name]) }
}

export function slotOf(config: Configuration, fireAt: number, cause: string): Slot {
  if (cause !== 'schedule') return 'manual'
  return fireAt === config.fireTimes[0] ? 'first' : 'second'
}

/** What has ended for good stays as it is, apart from epochs in doubt. */
export function endsOnce(before: Execution | null, after: Execution | null): boolean {
  if (!before || !isFinal(before) || before === after) return true
  if (!after) return false
  const plain = (one: Execution) => JSON.stringify({ ...one, seq: 0, inDoubt: [], attempts: [] })
  return plain(before) === plain(after)
}
