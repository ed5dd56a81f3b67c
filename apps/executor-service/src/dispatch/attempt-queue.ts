import type { Attempt } from '../attempts/attempt.ts'

/** Runs of one pool whose time has come and that wait for a slot. */
export interface AttemptQueue {
  size(): number
  add(run: Attempt): void
  /** It waits no longer; nothing happens when it does not wait. */
  remove(run: Attempt): void
  /** Those whose runs wait; the one that was served last comes last. */
  owners(): Iterable<string>
  /** Takes out the owner's first run by priority and then by age, and puts the owner behind the others. */
  takeFrom(owner: string): Attempt | undefined
}

/** Priorities are 1 to 9; an index beyond them is never used. */
const priorities = 10

/** Round robin between owners (a user's priorities order that user's runs only), by priority and age within each. */
export function createAttemptQueue(): AttemptQueue {
  const waiting = new Map<string, Set<Attempt>[]>()
  let size = 0

  const priorityOf = ({ execution }: Attempt) => Math.min(execution.priority, priorities - 1)

  function remove(run: Attempt): void {
    const { ownerId } = run.execution
    const levels = waiting.get(ownerId)
    if (!levels?.[priorityOf(run)]?.delete(run)) return
    size -= 1
    if (levels.every((level) => level.size === 0)) waiting.delete(ownerId)
  }

  return {
    size: () => size,
    add(run) {
      const { ownerId } = run.execution
      let levels = waiting.get(ownerId)
      if (levels === undefined) {
        levels = Array.from({ length: priorities }, () => new Set())
        waiting.set(ownerId, levels)
      }
      levels[priorityOf(run)]?.add(run)
      size += 1
    },
    remove,
    owners: () => waiting.keys(),
    takeFrom(owner) {
      const levels = waiting.get(owner)
      const [run] = levels?.find((level) => level.size > 0) ?? []
      if (levels === undefined || run === undefined) return undefined
      remove(run)
      if (waiting.delete(owner)) waiting.set(owner, levels)
      return run
    },
  }
}
