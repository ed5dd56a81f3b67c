/** Other writers changed a record again and again: the same call may succeed later. */
export class ConflictError extends Error {
  readonly code = 'conflict'
  constructor(message: string) {
    super(message)
    this.name = 'ConflictError'
  }
}

/**
 * Repeats a compare-and-set for the items that lost a race to another writer. `attempt` reads and writes the given items
 * and answers those that lost; `round` counts from 0. Ends when none are left or after `tries` rounds, and answers the
 * items that are left. An error of `attempt` is passed on at once.
 *
 * The rounds follow each other without a wait: a lost race means that another writer made progress.
 */
export async function retryOnConflict<T>(
  items: readonly T[],
  tries: number,
  attempt: (items: readonly T[], round: number) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  let left = items
  for (let round = 0; round < tries && left.length > 0; round++) left = await attempt(left, round)
  return left
}
