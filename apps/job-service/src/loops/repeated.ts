import { type Clock, createSteadySince } from '@belfry/service'
import { isLeftBehind, type Repeated, type Waits } from '../domain/due.ts'

export interface RepeatedOptions<T> {
  /** What is due by `until`, after `after`, in the order of its next time; at most `limit`. */
  readonly read: (until: number, limit: number, after: T | null) => Promise<readonly T[]>
  readonly clock: Clock
  readonly rows: number
  readonly waits: Waits
}

/**
 * Finds what is to be repeated now, a page a turn: what is due by the clock. At the start, and after the clock was set back,
 * it goes through everything that waits once, and takes what was left behind, too. `isMore`: there may be more at once.
 */
export function createRepeated<T extends Repeated>({ read, clock, rows, waits }: RepeatedOptions<T>) {
  const steadySince = createSteadySince(clock)
  let since = Number.NaN
  let isResuming = false
  let last: T | null = null
  return async (): Promise<{ due: readonly T[]; isMore: boolean }> => {
    const steady = steadySince()
    if (steady !== since) [since, isResuming, last] = [steady, true, null]
    const now = clock.now()
    const page = await read(isResuming ? Number.MAX_SAFE_INTEGER : now, rows, last)
    const isMore = page.length === rows
    const due = page.filter((one) => one.nextAt <= now || isLeftBehind(one, since, now, waits))
    isResuming &&= isMore
    last = (isResuming && page.at(-1)) || null
    return { due, isMore }
  }
}
