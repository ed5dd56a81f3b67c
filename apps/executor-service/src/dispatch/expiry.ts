import { type Clock, nextTurnAt } from '@belfry/service'
import type { ExecutionStore } from '../store/ports.ts'
import type { Unclaimable } from './unclaimable.ts'

export interface ExpiryOptions {
  readonly executions: ExecutionStore
  readonly clock: Clock
  readonly unclaimable: Pick<Unclaimable, 'expire'>
  /** From one search to the next, milliseconds. */
  readonly everyMs: number
  /** Executions that are read at once, and bytes of them. */
  readonly rows: number
  readonly bytes: number
}

/**
 * Ends ready executions that may not start any more, whatever they wait for: an executor that has their job type, a slot, an overlap
 * place. Every executor looks, and the compare-and-set decides.
 */
export interface Expiry {
  /** Looks, unless the last look was a moment ago. Answers true when there may be more. */
  lookWhenDue(): Promise<boolean>
}

export function createExpiry({ executions, clock, unclaimable, everyMs, rows, bytes }: ExpiryOptions): Expiry {
  let nextAt = Number.NEGATIVE_INFINITY

  return {
    async lookWhenDue() {
      const startedAt = clock.monotonic()
      if (startedAt < nextAt) return false
      const found = await executions.listExpired(clock.now(), rows)
      const read = found.length === 0 ? [] : await executions.read(found, bytes)
      const late = read.filter((one) => one !== undefined)
      const areEnded = late.length > 0 && (await unclaimable.expire(late))
      // What cannot be read or ended would be found again at once.
      const isMore = areEnded && (found.length === rows || read.length < found.length)
      if (!isMore) nextAt = nextTurnAt(startedAt, everyMs)
      return isMore
    },
  }
}
