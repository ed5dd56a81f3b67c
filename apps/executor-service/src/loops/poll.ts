import type { Clock } from '@belfry/service'
import type { Pool } from '../domain/execution.ts'
import type { DueExecution, ExecutionStore, Handle } from '../domain/ports.ts'
import type { Claims } from '../runs/claims.ts'
import type { Slots } from '../runs/slots.ts'

export interface PollOptions {
  readonly executions: ExecutionStore
  readonly clock: Clock
  readonly claims: Claims
  readonly slots: Slots
  /** This executor's place among so many. */
  readonly share: () => { readonly place: number; readonly executors: number }
  /** From one poll to the next, milliseconds. */
  readonly everyMs: number
  /** Executions that are read at once, and bytes of them. */
  readonly rows: number
  readonly bytes: number
  /** How long an execution that cannot be read is left alone, milliseconds. */
  readonly asideMs: number
  /** Executions that may wait in memory for their time. */
  readonly armed: number
  /** Nobody else can have the store open. */
  readonly isAlone: boolean
  /** How long another executor's share is left to it once it is due, milliseconds. */
  readonly overdueMs: number
}

export interface Poll {
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

export function createPoll(options: PollOptions): Poll {
  const { executions, clock, claims, slots, share, everyMs, rows, bytes, isAlone, overdueMs } = options
  let isQuiet = false
  let turns = 0
  let wakes = 0

  /** What is due and cannot be read would be found again at each turn, and take the place of others. */
  async function putAside(handles: readonly Handle[]): Promise<void> {
    await executions.putAside(handles, clock.now() + options.asideMs)
  }

  /** Reads the records page by page, because a whole second's crons at once would hold up the loop. */
  async function take(news: readonly DueExecution[], onPage: Claims['arm']): Promise<void> {
    for (let from = 0; from < news.length; ) {
      const handles = news.slice(from, from + rows).map((one) => one.handle)
      const page = await executions.read(handles, bytes)
      from += page.length
      const found = page.filter((one) => one !== undefined)
      if (found.length < page.length) await putAside(handles.filter((_, index) => index < page.length && !page[index]))
      onPage(found.filter((one) => one.execution.state === 'ready'))
    }
  }

  /** Whether the pool's page was full, so that more may be due than it holds. */
  function isFull(overdue: readonly DueExecution[], pool: Pool, limit: number): boolean {
    if (limit === 0) return false
    const count = overdue.filter((one) => one.pool === pool).length
    if (count < limit) slots.caughtUp(pool)
    else slots.turnAway(pool)
    return count >= limit
  }

  /** Idling shall cost nothing: one seek, and alone in the store only now and then. */
  async function hasReady(): Promise<boolean> {
    if (isQuiet && ++turns % quietTurns !== 0) return false
    const before = wakes
    const found = await executions.hasReady()
    isQuiet = isAlone && !found && wakes === before
    return found
  }

  async function look(): Promise<boolean> {
    const now = clock.now()
    const due = { io: Math.min(rows, slots.room('io')), cpu: Math.min(rows, slots.room('cpu')) }
    const coming = Math.max(0, options.armed - claims.armedCount())
    const query = { now, until: now + 2 * everyMs, due, coming, share: { ...share(), overdueAt: now - overdueMs } }
    const found = await executions.due(query)
    const overdue = found.filter((one) => one.runAt <= now)
    const more = pools.filter((pool) => isFull(overdue, pool, due[pool]))
    const news = found.filter((one) => !claims.isKnown(one.handle))
    const [late, soon] = [news.filter((one) => one.runAt <= now), news.filter((one) => one.runAt > now)]
    await take(late, claims.claimDue)
    await take(soon, claims.arm)
    return late.length > 0 && more.some((pool) => slots.room(pool) > 0)
  }

  return {
    async runOnce() {
      if (await hasReady()) return look()
      for (const pool of pools) slots.caughtUp(pool)
      return false
    },
    wake() {
      wakes += 1
      isQuiet = false
    },
  }
}
