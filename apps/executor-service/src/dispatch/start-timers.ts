import type { Clock, Timer } from '@belfry/service'
import { executionSize, unreadParams } from '../executions/execution.ts'
import type { RowId, Stored } from '../store/ports.ts'
import { createShare } from './share.ts'

/** Ready executions that wait in memory for the moment at which they are claimed. */
export interface StartTimers {
  has(rowId: RowId): boolean
  /**
   * Calls back `leadMs` before its time, in place of an older state of the same record. What finds no room is left to the
   * poll, once it is due.
   */
  add(stored: Stored, leadMs: number): void
  /** It is not ready any more. */
  remove(rowId: RowId): void
  clear(): void
  room(): StartTimersRoom
}

export interface StartTimersRoom {
  /** How many more may wait. */
  readonly count: number
  /** Owners who may have no more of them. */
  readonly full: readonly string[]
}

export interface StartTimersBounds {
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
export function createStartTimers(
  clock: Clock,
  bounds: StartTimersBounds,
  onDue: (stored: Stored) => void,
): StartTimers {
  const waiting = new Map<RowId, { readonly stored: Stored; readonly timer: Timer }>()
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

  function remove(rowId: RowId): void {
    const known = waiting.get(rowId)
    if (known === undefined) return
    known.timer.cancel()
    waiting.delete(rowId)
    take(known.stored, -1)
  }

  return {
    remove,
    has: (rowId) => waiting.has(rowId),
    add(stored, leadMs) {
      const { rowId, execution } = stored
      const known = waiting.get(rowId)
      if (known && known.stored.execution.seq >= execution.seq) return
      remove(rowId)
      if (isFull(owners.get(execution.ownerId) ?? { count: 0, size: 0 })) return
      // By the monotonic clock: the claim may be a little early or late, the start itself follows the wall clock.
      const delayMs = Math.max(0, execution.runAt - leadMs - clock.now())
      const timer = clock.callAfter(delayMs, () => {
        remove(rowId)
        onDue(stored)
      })
      waiting.set(rowId, { stored, timer })
      take(stored, 1)
    },
    clear() {
      for (const rowId of [...waiting.keys()]) remove(rowId)
    },
    room: () => ({
      count: Math.max(0, counts.limit - (counts.used < counts.limit ? counts.used : counts.counted)),
      full: [...owners].filter(([, use]) => isFull(use)).map(([owner]) => owner),
    }),
  }
}
