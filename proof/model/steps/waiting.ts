import { isEnded } from '@belfry/contracts'
import type { Execution } from '../../../apps/executor-service/src/executions/execution.ts'
import { waitsForPlace } from '../../../apps/executor-service/src/executions/transitions.ts'
import { slots, type World } from '../world.ts'
import { type Act, type Context, isLastMoment, withExecution } from './step.ts'

export type { Execution }

/**
 * At the last moment an execution that waits for a place is due for ever. A claim that finds the same execution in its way changes
 * nothing but its epoch, so it is left out until a place is free.
 */
export function waitsForSamePlace(context: Context, world: World, execution: Execution): boolean {
  if (!isLastMoment(context, world.now) || !waitsForPlace(execution)) return false
  const { places } = world.admission
  return !places.includes(execution.id) && places.every((id) => slots.some((slot) => isOpen(world[slot], id)))
}

function isOpen(execution: Execution | null, id: string): boolean {
  return execution !== null && execution.id === id && !isEnded(execution.state)
}

/** Wakes what may find a place now (`admission/wake.ts`): at any time, or never where the process dies before that. */
export function wakeActs(context: Context, world: World): Act[] {
  const { rules } = context
  if (world.admission.places.length === 0) return []
  const stateOf = (id: string) => slots.map((slot) => world[slot]).find((one) => one?.id === id)?.state
  return rules.mayFindPlace(world.admission, stateOf).flatMap((id) => {
    const slot = slots.find((one) => world[one]?.id === id)
    const execution = slot && world[slot]
    if (!slot || !execution) return []
    const woken = rules.wake(execution, world.now)
    if (woken === execution) return []
    return [{ name: `an executor wakes ${slot}`, apply: () => withExecution(context, world, slot, woken) }]
  })
}
