import type { Clock, Timer } from '@belfry/service'
import type { Attempt } from '../attempts/attempt.ts'
import { executionSize, unreadParams, withoutLargeParams } from '../executions/execution.ts'
import type { RowId, Stored } from '../store/ports.ts'
import type { ClaimLead } from './claim-lead.ts'
import type { Claimer } from './claimer.ts'
import { createShare } from './share.ts'

/** Ready executions that wait in memory for the moment at which they are claimed. */
export interface StartTimers {
  has(rowId: RowId): boolean
  /**
   * Ready ones: each is claimed shortly before its time, in place of an older state of the same record. What finds no room is
   * left to the poll, once it is due.
   */
  add(stored: readonly Stored[]): void
  /** These have changed: adds those that will be due soon, and removes the others. */
  update(stored: readonly Stored[]): void
  room(): StartTimersRoom
  /** Claims nothing more. */
  stop(): void
}

interface StartTimersRoom {
  /** How many more may wait. */
  readonly count: number
  /** Owners that may have no more of them. */
  readonly full: readonly string[]
}

export interface StartTimersOptions {
  readonly clock: Clock
  readonly lead: ClaimLead
  readonly claimer: Pick<Claimer, 'claimSoon' | 'hasType'>
  /** The attempts that this executor holds. */
  readonly held: ReadonlyMap<RowId, Attempt>
  /** How long before its time a changed execution is added, milliseconds; a poll finds the others. */
  readonly soonMs: number
  /** What may wait. */
  readonly bounds: {
    readonly count: number
    /** Bytes. */
    readonly size: number
    /** What one owner may have of each while others wait, above 0 and at most 1. */
    readonly ownerShare: number
  }
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

export function createStartTimers(options: StartTimersOptions): StartTimers {
  const { clock, lead, claimer, held, soonMs, bounds } = options
  const waiting = new Map<RowId, { readonly stored: Stored; readonly timer: Timer }>()
  const counts = createShare(bounds.count, bounds.ownerShare)
  const sizes = createShare(bounds.size, bounds.ownerShare)
  const owners = new Map<string, Use>()
  let isStopped = false

  function count(stored: Stored, change: 1 | -1): void {
    const { execution } = stored
    const use = owners.get(execution.ownerId) ?? { count: 0, size: 0 }
    use.count = counts.take(use.count, change)
    use.size = sizes.take(use.size, change * sizeOf(stored))
    if (use.count === 0) owners.delete(execution.ownerId)
    else owners.set(execution.ownerId, use)
  }

  const isFull = ({ count, size }: Use) => counts.room(count) === 0 || sizes.room(size) === 0

  function remove(rowId: RowId): void {
    const known = waiting.get(rowId)
    if (known === undefined) return
    known.timer.cancel()
    waiting.delete(rowId)
    count(known.stored, -1)
  }

  /** The execution may be due at once while its last attempt, whose end is stored, is still held. */
  function isHeld(rowId: RowId): boolean {
    const attempt = held.get(rowId)
    return attempt !== undefined && attempt.phase !== 'ended'
  }

  function add({ rowId, execution: withParams, size }: Stored): void {
    if (isStopped || isHeld(rowId)) return
    if (!claimer.hasType(withParams)) {
      remove(rowId)
      return
    }
    const execution = withoutLargeParams(withParams)
    const known = waiting.get(rowId)
    if (known && known.stored.execution.seq >= execution.seq) return
    remove(rowId)
    if (isFull(owners.get(execution.ownerId) ?? { count: 0, size: 0 })) return
    const stored = { rowId, execution, size }
    // By the monotonic clock: the claim may be a little early or late, the start itself follows the wall clock.
    const delayMs = Math.max(0, execution.runAt - lead.ms() - clock.now())
    const timer = clock.callAfter(delayMs, () => {
      remove(rowId)
      claimer.claimSoon(stored)
    })
    waiting.set(rowId, { stored, timer })
    count(stored, 1)
  }

  return {
    has: (rowId) => waiting.has(rowId),
    add(stored) {
      for (const one of stored) add(one)
    },
    update(stored) {
      const soon = clock.now() + soonMs
      for (const one of stored) {
        if (one.execution.state === 'ready' && one.execution.runAt <= soon) add(one)
        else remove(one.rowId)
      }
    },
    room: () => ({
      count: Math.max(0, counts.limit - (counts.used < counts.limit ? counts.used : counts.counted)),
      full: [...owners].filter(([, use]) => isFull(use)).map(([owner]) => owner),
    }),
    stop() {
      isStopped = true
      for (const rowId of [...waiting.keys()]) remove(rowId)
    },
  }
}
