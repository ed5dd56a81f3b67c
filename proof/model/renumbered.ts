import type { Execution } from '../../apps/executor-service/src/executions/execution.ts'
import { remembered } from './search/remember.ts'
import { type Attempt, type Calls, type Seat, type Slot, seats, slots, type World } from './world.ts'

/*
 * States that differ only in how often something has happened: the rules compare epochs with each other, and never with a number, so
 * that their order is all that counts. The same is true of starts and their reasons, whose difference counts.
 */

type Ranks = ReadonlyMap<number, number>

/** The epochs of an execution that something may still be compared with, each with its place among them. */
function ranksOf(execution: Execution, held: readonly (Attempt | undefined)[]): Ranks {
  const epochs = [execution.epoch, ...execution.inDoubt.map(({ epoch }) => epoch)]
  for (const attempt of held) if (attempt) epochs.push(attempt.epoch)
  const sorted = [...new Set(epochs)].sort((a, b) => a - b)
  return new Map(sorted.map((epoch, rank) => [epoch, rank]))
}

const isSame = (ranks: Ranks) => [...ranks].every(([epoch, rank]) => epoch === rank)

const renumber = <T extends { readonly epoch: number }>(one: T, ranks: Ranks): T => ({
  ...one,
  epoch: ranks.get(one.epoch) ?? one.epoch,
})

interface Renumbered {
  readonly execution: Execution
  readonly attempts: readonly (Attempt | undefined)[]
  readonly ranks: Ranks
}

/** Null when the epochs are those that they would become. */
const renumbered = remembered(
  (execution: Execution, a: Attempt | undefined, b: Attempt | undefined): Renumbered | null => {
    const ranks = ranksOf(execution, [a, b])
    if (isSame(ranks)) return null
    return {
      ranks,
      execution: {
        ...renumber(execution, ranks),
        attempts: execution.attempts.map((one) => renumber(one, ranks)),
        inDoubt: execution.inDoubt.map((one) => renumber(one, ranks)),
      },
      attempts: [a, b].map((one) => one && renumber(one, ranks)),
    }
  },
)

function renumberedList(listed: readonly string[], slot: Slot, ranks: Ranks): readonly string[] {
  const renamed = listed.map((one) => {
    const [of, epoch] = one.split(' ')
    return of === slot ? `${slot} ${ranks.get(Number(epoch)) ?? epoch}` : one
  })
  return renamed.sort()
}

function withRanks(world: World, slot: Slot): World {
  const execution = world[slot]
  if (!execution) return world
  const held = seats.map((seat) => world[seat]?.attempts[slot])
  const found = renumbered(execution, held[0], held[1])
  if (!found) return world
  const { ranks, attempts } = found
  const next: { -readonly [name in keyof World]: World[name] } = { ...world, [slot]: found.execution }
  for (const [index, attempt] of attempts.entries()) {
    const seat = seats[index] as Seat
    const executor = world[seat]
    if (executor && attempt) next[seat] = { ...executor, attempts: { ...executor.attempts, [slot]: attempt } }
  }
  const { call, promised } = world
  if (call && call.listed.length > 0) next.call = { ...call, listed: renumberedList(call.listed, slot, ranks) }
  if (promised.some(({ listed }) => listed.length > 0))
    next.promised = promised.map((one) => ({ ...one, listed: renumberedList(one.listed, slot, ranks) }))
  return next
}

/** One start for all, with the reasons that are left for a further one. */
const renumberedCalls = remembered((calls: Calls, isOnce: boolean): Calls => {
  if (calls.starts < 2) return calls
  const more = calls.starts - 1
  const failures = isOnce ? calls.failures - more : 0
  return { starts: 1, excuses: calls.excuses - more, failures }
})

/** The state with the smallest numbers that has the same future. */
export function withSmallNumbers(world: World): World {
  let next = world
  for (const slot of slots) {
    next = withRanks(next, slot)
    const calls = world[`${slot}Calls`]
    const small = renumberedCalls(calls, next[slot]?.policy.onLostLease === 'fail')
    if (small !== calls) next = { ...next, [`${slot}Calls`]: small }
  }
  return next
}
