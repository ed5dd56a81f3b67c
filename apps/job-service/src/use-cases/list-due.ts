import { type Clock, createSteadySince } from '@belfry/service'
import { type Backoff, isLeftBehind, type Repetition } from '../domain/backoff.ts'
import type { DueCursor, DuePage } from '../store/ports.ts'

export interface DueListerOptions<T> {
  /** A page of what is due by `until`, after a cursor, in the order of its next time. */
  readonly read: (until: number, after: DueCursor | null) => Promise<DuePage<T>>
  readonly clock: Clock
  readonly backoff: Backoff
}

/**
 * Lists what is to be repeated now, a page at each call: what is due by the clock. At the start, and after the clock was set
 * back, it goes through all that waits once, and adds what was left behind. `isMore`: there may be more at once.
 */
export function createDueLister<T extends Repetition>({ read, clock, backoff }: DueListerOptions<T>) {
  const steadySince = createSteadySince(clock)
  let since = Number.NaN
  let isResuming = false
  let cursor: DueCursor | null = null
  return async (): Promise<{ due: readonly T[]; isMore: boolean }> => {
    const steady = steadySince()
    if (steady !== since) [since, isResuming, cursor] = [steady, true, null]
    const now = clock.now()
    const { rows, next } = await read(isResuming ? Number.MAX_SAFE_INTEGER : now, cursor)
    // A page of rows of which none can be read would come again at once.
    const isMore = next !== null && rows.length > 0
    const due = rows.filter((one) => one.nextAt <= now || isLeftBehind(one, since, now, backoff))
    isResuming &&= isMore
    cursor = isResuming ? next : null
    return { due, isMore }
  }
}
