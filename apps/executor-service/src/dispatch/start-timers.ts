import type { Clock, Timer } from '@belfry/service'
import { executionSize, unreadParams } from '../executions/execution.ts'
import type { Handle, Stored } from '../store/ports.ts'
import { createShare } from './share.ts'

/** Ready executions that wait in memory for the moment at which they are claimed. */
export interface Armed {
  has(handle: Handle): boolean
  /**
   * Calls back `leadMs` before its time, in place of an older state of the same record. What finds no room is left to the
   * poll, once it is due.
   */
  add(stored: Stored, leadMs: number): void
  /** It is not ready any more. */
  remove(handle: Handle): void
  clear(): void
  room(): ArmedRoom
}

export interface ArmedRoom {
  /** How many more may wait. */
  readonly count: number
  /** Owners who may have no more of them. */
  readonly full: readonly string[]
}

export interface ArmedBounds {
  readonly count: number
  /** Bytes. */
  readonly size: number
  /** What one owner may have of each while others wait, above 0 and at most 1. */
  readonly ownerShare: number
}

/** What an owner has. */
interface Use {
  count: number
  size: number
}

/** Params that are not in memory take up none of it. */
function sizeOf({ execution, size }: Stored): number {
  return execution.params === unreadParams ? executionSize(execution) : size
}

/** `bounds` holds for what waits. `onDue` gets each one once. */
export function createArmed(clock: Clock, bounds: ArmedBounds, onDue: (stored: Stored) => void): Armed {
  const waiting = new Map<Handle, { readonly stored: Stored; readonly timer: Timer }>()
  const counts = createShare(bounds.count, bounds.ownerShare)
  const sizes = createShare(bounds.size, bounds.ownerShare)
  const owners = new Map<string, Use>()

  function take(stored: Stored, places: 1 | -1): void {
    const { execution } = stored
    const use = owners.get(execution.ownerId) ?? { count: 0, size: 0 }
    use.count = counts.take(use.count, places)
    use.size = sizes.take(use.size, places * sizeOf(stored))
    if (use.count === 0) owners.delete(execution.ownerId)
    else owners.set(execution.ownerId, use)
  }

  const isFull = ({ count, size }: Use) => counts.room(count) === 0 || sizes.room(size) === 0

  function remove(handle: Handle): void {
    const known = waiting.get(handle)
    if (known === undefined) return
    known.timer.cancel()
    waiting.delete(handle)
    take(known.stored, -1)
  }

  return {
    remove,
    has: (handle) => waiting.has(handle),
    add(stored, leadMs) {
      const { handle, execution } = stored
      const known = waiting.get(handle)
      if (known && known.stored.execution.seq >= execution.seq) return
      remove(handle)
      if (isFull(owners.get(execution.ownerId) ?? { count: 0, size: 0 })) return
      // By the monotonic clock: the claim may be a little early or late, the start itself follows the wall clock.
      const delayMs = Math.max(0, execution.runAt - leadMs - clock.now())
      const timer = clock.callAfter(delayMs, () => {
        remove(handle)
        onDue(stored)
      })
      waiting.set(handle, { stored, timer })
      take(stored, 1)
    },
    clear() {
      for (const handle of [...waiting.keys()]) remove(handle)
    },
    room: () => ({
      count: Math.max(0, counts.limit - (counts.used < counts.limit ? counts.used : counts.counted)),
      full: [...owners].filter(([, use]) => isFull(use)).map(([owner]) => owner),
    }),
  }
}
