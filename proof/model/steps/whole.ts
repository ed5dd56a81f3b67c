import { isRefusal } from '@belfry/contracts'
import type { World } from '../world.ts'
import { slots } from '../world.ts'
import { end, goes } from './attempts.ts'
import { claimedAttempt, decide, mayClaim } from './claims.ts'
import { type Act, type Context, isDue, withAttempt, withExecution } from './step.ts'

/**
 * Claim, admission, handler and recorded end as one step, for searches that look at schedules and changes: what may come between is
 * left to the others.
 */
export function wholeActs(context: Context, world: World): Act[] {
  const { rules } = context
  const { a } = world
  if (!a || !mayClaim(context, world, 'a')) return []
  return slots.flatMap((slot) => {
    const execution = world[slot]
    if (!execution || !isDue(context, execution.runAt, world.now)) return []
    const running = rules.claim(execution, { owner: a.name })
    if (isRefusal(running)) return []
    const attempt = claimedAttempt(context, running, a.name)
    const apply = () => {
      const claimed = withExecution(context, world, slot, running)
      const { answer } = decide(context, claimed, slot, attempt, claimed.admission)
      if (answer.decision !== 'stop') {
        const started = goes(context, withAttempt(claimed, 'a', slot, attempt), 'a', slot, attempt)
        return end(context, started, 'a', slot, attempt, 'succeeded', '').apply()
      }
      const after = rules.stopped(running, attempt.epoch, answer.stop, world.now, 0)
      return isRefusal(after) || after === running ? claimed : withExecution(context, claimed, slot, after)
    }
    return [{ name: `an executor runs ${slot}, or ends it where the admission closes it`, apply }]
  })
}
