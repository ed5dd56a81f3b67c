import type { Clock } from '@belfry/service'
import type { Pool } from '../executions/execution.ts'
import type { DueCursor, DueExecution, ExecutionStore, RowId, Stored } from '../store/ports.ts'
import type { Claimer } from './claimer.ts'
import type { Slots } from './slots.ts'

export interface PollerOptions {
  readonly executions: ExecutionStore
  readonly clock: Clock
  readonly claims: Claimer
  readonly slots: Slots
  /** This executor's index among so many. */
  readonly share: () => { readonly index: number; readonly executors: number }
  /** From one poll to the next, milliseconds. */
  readonly everyMs: number
  /** Executions that are read at once, and bytes of them. */
  readonly rows: number
  /** Index entries that are looked through at once for executions of some owners behind those of others. */
  readonly scanRows: number
  readonly bytes: number
  /** How long an execution that cannot be read is left alone, milliseconds. */
  readonly asideMs: number
  /** Nobody else can have the store open. */
  readonly isSoleOwner: boolean
  /** How long another executor's share is left to it once it is due, milliseconds. */
  readonly overdueMs: number
}

export interface Poller {
  /**
   * One turn (protocol.md step 9): arms a timer for what is due before the next two polls, after a restart as for retries,
   * and claims what no timer took. Answers true when more is due than one turn takes.
   */
  runOnce(): Promise<boolean>
  /** A record has become ready: the next turn looks, however quiet it has been. */
  wake(): void
}

const pools: readonly Pool[] = ['io', 'cpu']
/** Turns of which one looks while an executor that is alone has nothing ready and hears of nothing that becomes so. */
const quietTurns = 4

export function createPoller(options: PollerOptions): Poller {
  const { executions, clock, claims, slots, share, everyMs, rows, bytes, scanRows, isSoleOwner, overdueMs } = options
  let isQuiet = false
  let turns = 0
  let wakes = 0
  /** How far a pool has been looked through for owners that hold little, and when that was last done. */
  const places: Record<Pool, DueCursor | null> = { io: null, cpu: null }
  const lookedAt: Record<Pool, number> = { io: Number.NEGATIVE_INFINITY, cpu: Number.NEGATIVE_INFINITY }

  /** What is due and cannot be read would be found again at each turn, and take the place of others. */
  async function putAside(rowIds: readonly RowId[]): Promise<void> {
    await executions.quarantineMany(rowIds, clock.now() + options.asideMs)
  }

  /** Reads the records page by page, because a whole second's crons at once would hold up the loop. */
  async function take(found: readonly DueExecution[], onPage: (stored: readonly Stored[]) => void): Promise<void> {
    const news = found.filter((one) => !claims.isKnown(one.rowId))
    for (let from = 0; from < news.length; ) {
      const rowIds = news.slice(from, from + rows).map((one) => one.rowId)
      const page = await executions.read(rowIds, bytes)
      from += page.length
      const read = page.filter((one) => one !== undefined)
      if (read.length < page.length) await putAside(rowIds.filter((_, index) => index < page.length && !page[index]))
      onPage(read.filter((one) => one.execution.state === 'ready'))
    }
  }

  /** Whether the pool's page was full, so that more may be due than it holds. */
  function isFull(overdue: readonly DueExecution[], pool: Pool, limit: number): boolean {
    if (limit === 0) return false
    const isFull = overdue.filter((one) => one.pool === pool).length >= limit
    if (!isFull) slots.clearSaturated(pool)
    return isFull
  }

  /** Idling shall cost nothing: one seek, and alone in the store only now and then. */
  async function hasReady(): Promise<boolean> {
    if (isQuiet && ++turns % quietTurns !== 0) return false
    const before = wakes
    const found = await executions.hasReady()
    isQuiet = isSoleOwner && !found && wakes === before
    return found
  }

  const shareAt = (now: number) => ({ ...share(), overdueAt: now - overdueMs })

  /**
   * Claims what is due of owners that hold little, which may lie behind very much of owners that hold much. It goes on in
   * each poll where the last one ended, and round again, so that a poll costs little however much is due.
   */
  async function lookBeside(pool: Pool, now: number): Promise<void> {
    const isTime = clock.monotonic() - lookedAt[pool] >= everyMs
    if (!slots.isSaturated(pool) || !isTime) return
    const passOver = slots.greedy(pool)
    const limit = Math.min(rows, slots.roomBelowPart(pool))
    if (passOver.length === 0 || limit === 0) return
    lookedAt[pool] = clock.monotonic()
    const query = { pool, now, passOver, after: places[pool], scan: scanRows, limit, share: shareAt(now) }
    const { rows: found, next } = await executions.listDueOfOthers(query)
    places[pool] = next
    await take(found, claims.claimDue)
    if (next === null) slots.lookedThrough(pool)
  }

  async function look(): Promise<boolean> {
    const now = clock.now()
    for (const pool of pools) await lookBeside(pool, now)
    const due = { io: Math.min(rows, slots.room('io')), cpu: Math.min(rows, slots.room('cpu')) }
    const { count: coming, full } = claims.armedRoom()
    const query = { now, until: now + 2 * everyMs, due, coming, saturated: full, scan: scanRows, share: shareAt(now) }
    const found = await executions.listDue(query)
    const overdue = found.filter((one) => one.runAt <= now)
    const fullPools = pools.filter((pool) => isFull(overdue, pool, due[pool]))
    const late = overdue.filter((one) => !claims.isKnown(one.rowId))
    await take(late, (page) => {
      claims.claimDue(page)
      // More of the same owners' may be due than the page holds.
      for (const { execution } of page) if (fullPools.includes(execution.pool)) slots.markSaturated(execution)
    })
    const soon = found.filter((one) => one.runAt > now)
    await take(soon, claims.arm)
    return late.length > 0 && fullPools.some((pool) => slots.room(pool) > 0)
  }

  return {
    async runOnce() {
      if (await hasReady()) return look()
      for (const pool of pools) slots.clearSaturated(pool)
      return false
    },
    wake() {
      wakes += 1
      isQuiet = false
    },
  }
}
