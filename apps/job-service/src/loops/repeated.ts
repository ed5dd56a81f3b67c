import { type Clock, createSteadySince } from '@belfry/service'
import { isLeftBehind, type Repeated, type Waits } from '../domain/due.ts'
import type { Bounded } from '../domain/ports.ts'

export interface RepeatedOptions<T> {
  /** A page of what is due by `until`, after `after`, in the order of its next time. */
  readonly read: (until: number, after: T | null) => Promise<Bounded<T>>
  readonly clock: Clock
  readonly waits: Waits
}

/**
 * Finds what is to be repeated now, a page a turn: what is due by the clock. At the start, and after the clock was set back,
 * it goes through everything that waits once, and takes what was left behind, too. `isMore`: there may be more at once.
 */
export function createRepeated<T extends Repeated>({ read, clock, waits }: RepeatedOptions<T>) {
  const steadySince = createSteadySince(clock)
  let since = Number.NaN
  let isResuming = false
  let last: T | null = null
  return async (): Promise<{ due: readonly T[]; isMore: boolean }> => {
    const steady = steadySince()
    if (steady !== since) [since, isResuming, last] = [steady, true, null]
    const now = clock.now()
    const { rows, hasMore } = await read(isResuming ? Number.MAX_SAFE_INTEGER : now, last)
    // A page of rows that all cannot be read would come again at once.
    const isMore = hasMore && rows.length > 0
    const due = rows.filter((one) => one.nextAt <= now || isLeftBehind(one, since, now, waits))
    isResuming &&= isMore
    last = (isResuming && rows.at(-1)) || null
    return { due, isMore }
  }
}
