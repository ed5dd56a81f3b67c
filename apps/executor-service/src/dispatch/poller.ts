import { type Clock, createLoop, type Logger, nextTurnAt } from '@belfry/service'
import type { Handler } from '@belfry/worker'
import { type Pool, slotsOf } from '../executions/execution.ts'
import type { DueCursor, DueExecution, ExecutionStore, RowId, Stored } from '../store/ports.ts'
import { byPriority, type Claimer } from './claimer.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Expiry } from './expiry.ts'
import type { Room } from './room.ts'
import type { StartTimers } from './start-timers.ts'
import type { Unclaimable } from './unclaimable.ts'

export interface PollerOptions {
  readonly executions: ExecutionStore
  readonly clock: Clock
  readonly log: Logger
  readonly claimer: Claimer
  readonly timers: StartTimers
  readonly dispatcher: Pick<Dispatcher, 'held'>
  readonly room: Room
  readonly expiry: Expiry
  readonly unclaimable: Pick<Unclaimable, 'handOver'>
  /** The job types by name. */
  readonly handlers: ReadonlyMap<string, Handler>
  /** This executor's index among the executors that are alive. */
  readonly share: () => { readonly index: number; readonly instances: number }
  /** From one poll to the next, milliseconds. */
  readonly everyMs: number
  /** From one search in the pool `other` to the next, milliseconds. */
  readonly otherMs: number
  /** Executions that are read at once, and bytes of them. */
  readonly rows: number
  /** Index entries that are looked through at once for executions of some owners behind those of others. */
  readonly scanRows: number
  readonly bytes: number
  /** How long an execution that cannot be read is left in quarantine, milliseconds. */
  readonly quarantineMs: number
  /** No other process can open the store. */
  readonly isSoleOwner: boolean
  /** How long another executor's share is left to it once it is due, milliseconds. */
  readonly overdueMs: number
}

/**
 * Polls the store (docs/protocol.md step 9): sets a timer for what is due before the next two polls, after a restart as for retries,
 * and claims what no timer took. Polls again at once when more is due than one poll takes, and when there is room again for
 * what had to be left in the store.
 */
export interface Poller {
  start(): void
  stop(): Promise<void>
  /** These have changed: when one of them is ready, the next poll looks, however quiet it has been. */
  notice(stored: readonly Stored[]): void
}

const pools: readonly Pool[] = ['io', 'cpu']
/** One poll of so many looks while the sole owner of the store has nothing ready, and nothing becomes ready. */
const quietPolls = 4

export function createPoller(options: PollerOptions): Poller {
  const { executions, clock, log, claimer, timers, dispatcher, room, share, everyMs, rows, bytes, scanRows } = options
  const { isSoleOwner, overdueMs, expiry, unclaimable, handlers, otherMs } = options
  let isQuiet = false
  let polls = 0
  let wakes = 0
  /** How far a pool has been looked through for owners that hold little, and when that is done next. */
  const cursors: Record<Pool, DueCursor | null> = { io: null, cpu: null }
  const lookAt: Record<Pool, number> = { io: Number.NEGATIVE_INFINITY, cpu: Number.NEGATIVE_INFINITY }

  /** What is due and cannot be read would be found again at each poll, in place of others. */
  async function quarantine(rowIds: readonly RowId[]): Promise<void> {
    await executions.quarantineMany(rowIds, clock.now() + options.quarantineMs)
  }

  const isKnown = ({ rowId }: DueExecution) => dispatcher.held.has(rowId) || timers.has(rowId)

  /** Reads the records page by page, because a whole second's crons at once would hold up the loop. */
  async function take(found: readonly DueExecution[], onPage: (stored: readonly Stored[]) => void): Promise<void> {
    const news = found.filter((one) => !isKnown(one))
    for (let from = 0; from < news.length; ) {
      const rowIds = news.slice(from, from + rows).map((one) => one.rowId)
      const page = await executions.read(rowIds, bytes)
      from += page.length
      const read = page.filter((one) => one !== undefined)
      if (read.length < page.length) await quarantine(rowIds.filter((_, index) => index < page.length && !page[index]))
      onPage(read.filter((one) => one.execution.state === 'ready'))
    }
  }

  /** Whether the pool's page was full, so that more may be due than it holds. */
  function isFull(overdue: readonly DueExecution[], pool: Pool, limit: number): boolean {
    if (limit === 0) return false
    const isFull = overdue.filter((one) => one.pool === pool).length >= limit
    if (!isFull) room.clearSaturated(pool)
    return isFull
  }

  /** Idling shall cost nothing: one seek, and for a sole owner of the store only at some polls. */
  async function hasReady(): Promise<boolean> {
    if (isQuiet && ++polls % quietPolls !== 0) return false
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
  async function lookPastGreedy(pool: Pool, now: number): Promise<void> {
    const startedAt = clock.monotonic()
    if (!room.isSaturated(pool) || startedAt < lookAt[pool]) return
    const passOver = room.greedy(pool)
    const limit = Math.min(rows, room.leftBelowPart(pool))
    if (passOver.length === 0 || limit === 0) return
    lookAt[pool] = nextTurnAt(startedAt, everyMs)
    const query = { pool, now, passOver, after: cursors[pool], scan: scanRows, limit, share: shareAt(now) }
    const { rows: found, next } = await executions.listDueOfOthers(query)
    cursors[pool] = next
    await take(found, claimer.claim)
    if (next === null) room.lookedThrough(pool)
  }

  const typesOf = (pool: Pool) => [...handlers].flatMap(([type, { slots }]) => (slots === pool ? type : []))
  const otherAt: Record<Pool, number> = { io: Number.NEGATIVE_INFINITY, cpu: Number.NEGATIVE_INFINITY }

  /**
   * Claims what other executors have left in the pool `other`, because they do not have its job type: of the types that take slots of
   * this pool, while it has room. What is due before the next two searches waits for its time in memory. Answers true when there may be
   * more.
   */
  async function lookForOthers(pool: Pool, now: number): Promise<boolean> {
    const limit = Math.min(rows, room.left(pool))
    const types = typesOf(pool)
    const startedAt = clock.monotonic()
    if (startedAt < otherAt[pool] || limit === 0 || types.length === 0) return false
    const found = await executions.listDueOfTypes({ types, until: now + 2 * otherMs, limit })
    const due = found.filter((one) => one.runAt <= now && !isKnown(one))
    await take(due, (page) => claimer.claim(byPriority(page)))
    await take(
      found.filter((one) => one.runAt > now),
      timers.add,
    )
    const isMore = due.length >= limit
    if (!isMore) otherAt[pool] = nextTurnAt(startedAt, otherMs)
    return isMore && room.left(pool) > 0
  }

  async function look(): Promise<boolean> {
    const now = clock.now()
    let isMore = await expiry.lookWhenDue()
    for (const pool of pools) isMore = (await lookForOthers(pool, now)) || isMore
    for (const pool of pools) await lookPastGreedy(pool, now)
    const due = { io: Math.min(rows, room.left('io')), cpu: Math.min(rows, room.left('cpu')) }
    const { count: coming, full } = timers.room()
    const query = { now, until: now + 2 * everyMs, due, coming, saturated: full, scan: scanRows, share: shareAt(now) }
    const found = await executions.listDue(query)
    const overdue = found.filter((one) => one.runAt <= now)
    const fullPools = pools.filter((pool) => isFull(overdue, pool, due[pool]))
    const late = overdue.filter((one) => !isKnown(one))
    const foreign: Stored[] = []
    const withType = (page: readonly Stored[]) => {
      foreign.push(...page.filter(({ execution }) => !claimer.hasType(execution)))
      return page.filter(({ execution }) => claimer.hasType(execution))
    }
    let isClaimed = false
    await take(late, (page) => {
      const ours = withType(page)
      claimer.claim(ours)
      isClaimed ||= ours.some(({ rowId }) => dispatcher.held.has(rowId))
      // More of the same owners' may be due than the page holds.
      for (const { execution } of ours) if (fullPools.includes(slotsOf(execution.pool))) room.markSaturated(execution)
    })
    const soon = found.filter((one) => one.runAt > now)
    await take(soon, (page) => timers.add(withType(page)))
    // Ahead of their time, so that an executor that has their types finds them before it.
    const isHandedOver = foreign.length > 0 && (await unclaimable.handOver(foreign))
    // What is neither claimed nor handed over would be found again at once.
    return isMore || ((isClaimed || isHandedOver) && fullPools.some((pool) => room.left(pool) > 0))
  }

  async function poll(): Promise<boolean> {
    // What is due stays due, so that the next poll would follow at once.
    if (!claimer.mayClaim()) return false
    if (await hasReady()) return look()
    for (const pool of pools) room.clearSaturated(pool)
    return false
  }

  const loop = createLoop({ name: 'poll', everyMs, clock, log, runOnce: poll })

  async function pollWhenRoomReopens(): Promise<never> {
    for (;;) {
      await room.reopened()
      loop.nudge()
    }
  }

  return {
    start() {
      loop.start()
      void pollWhenRoomReopens()
    },
    stop: loop.stop,
    notice(stored) {
      if (!stored.some(({ execution }) => execution.state === 'ready')) return
      wakes += 1
      isQuiet = false
    },
  }
}
