import type { Clock, Timer } from '@belfry/service'
import { executionSize, unreadParams } from '../domain/execution.ts'
import type { Handle, Stored } from '../domain/ports.ts'

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
  count(): number
}

/** Params that are not in memory take up none of it. */
function sizeOf({ execution, size }: Stored): number {
  return execution.params === unreadParams ? executionSize(execution) : size
}

/** `count` and `size` (bytes) bound what waits. `onDue` gets each one once. */
export function createArmed(
  clock: Clock,
  bounds: { readonly count: number; readonly size: number },
  onDue: (stored: Stored) => void,
): Armed {
  const waiting = new Map<Handle, { readonly stored: Stored; readonly timer: Timer }>()
  let size = 0

  function remove(handle: Handle): void {
    const known = waiting.get(handle)
    if (known === undefined) return
    known.timer.cancel()
    waiting.delete(handle)
    size -= sizeOf(known.stored)
  }

  return {
    remove,
    has: (handle) => waiting.has(handle),
    add(stored, leadMs) {
      const { handle, execution } = stored
      const known = waiting.get(handle)
      if (known && known.stored.execution.seq >= execution.seq) return
      remove(handle)
      if (waiting.size >= bounds.count || size >= bounds.size) return
      // By the monotonic clock: the claim may be a little early or late, the start itself follows the wall clock.
      const delayMs = Math.max(0, execution.runAt - leadMs - clock.now())
      const timer = clock.callAfter(delayMs, () => {
        remove(handle)
        onDue(stored)
      })
      waiting.set(handle, { stored, timer })
      size += sizeOf(stored)
    },
    clear() {
      for (const handle of [...waiting.keys()]) remove(handle)
    },
    count: () => waiting.size,
  }
}
