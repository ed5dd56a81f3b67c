import type { Clock } from '@belfry/service'
import type { Pool } from '../domain/execution.ts'
import type { Run } from './run.ts'

export interface SlotsOptions {
  readonly clock: Clock
  /** Runs at a time. */
  readonly limits: Readonly<Record<Pool, number>>
  /** Claims beyond them, of each pool. */
  readonly ahead: number
  /** What all held runs may take up in memory, bytes. */
  readonly heldSize: number
  /** Calls the handler. */
  readonly begin: (run: Run) => void
  /** There is room again after some were turned away. */
  readonly onRoom: () => void
}

/**
 * How much this executor takes on. A run is held from its claim until its end is stored, and takes a slot while its
 * handler is at work. Runs whose time has come and that find no slot wait here, by priority and age.
 */
export interface Slots {
  /** How many more may be claimed. */
  room(pool: Pool): number
  /** No more are held than have slots: whoever is held now starts on time. */
  isFree(pool: Pool): boolean
  /** The run is claimed, or about to be. */
  hold(run: Run): void
  /** Room for runs that are not known yet, and bytes of them; taken back with negative numbers. */
  reserve(pool: Pool, runs: number, bytes: number): void
  /** The run's end is stored, or it was never claimed. */
  release(run: Run): void
  /** Its time has come: begins it, or lets it wait for a slot. */
  start(run: Run): void
  /** Its handler is done. */
  vacate(run: Run): void
  /** Waits for room, at most so many milliseconds; false when there is none by then. */
  hasRoomAgain(pool: Pool, waitMs: number): Promise<boolean>
  /** Executions of this pool were due and had to be left in the store. */
  turnAway(pool: Pool): void
  /** Some are still there, so nobody may overtake them. */
  isBehind(pool: Pool): boolean
  /** The store has no more that are due. */
  caughtUp(pool: Pool): void
  /** How many there are of each. */
  view(pool: Pool): SlotsView
}

interface SlotsView {
  readonly busy: number
  readonly claimed: number
  readonly limit: number
  /** Runs whose time has come, that wait for a slot. */
  readonly waiting: number
  /** Those who wait for room with what is not claimed yet. */
  readonly outside: number
}

const pools: readonly Pool[] = ['io', 'cpu']
/** Handlers that are called in one turn of the loop; between turns due timers go first. */
const beginsPerTurn = 50
const priorities = 10

interface PoolState {
  readonly limit: number
  busy: number
  held: number
  isBehind: boolean
  readonly waiters: Set<() => void>
  /** First in, first out for each priority. */
  readonly waiting: Set<Run>[]
}

export function createSlots({ clock, limits, ahead, heldSize, begin, onRoom }: SlotsOptions): Slots {
  const emptyPool = (pool: Pool): PoolState => ({
    limit: limits[pool],
    busy: 0,
    held: 0,
    isBehind: false,
    waiters: new Set(),
    waiting: Array.from({ length: priorities }, () => new Set()),
  })
  const states: Record<Pool, PoolState> = { io: emptyPool('io'), cpu: emptyPool('cpu') }
  /** Enough room that asking the store is worth it; less is left to the poll. */
  const worthRoom = Math.max(1, Math.floor(ahead / 4))
  const worthBytes = heldSize / 4
  let size = 0
  let begunThisTurn = 0
  let isTurnComing = false

  /** Starts what waits once the loop has had its turn. */
  function comeAgain(): void {
    if (isTurnComing) return
    isTurnComing = true
    setImmediate(nextTurn)
  }

  const stateOf = (run: Run) => states[run.execution.pool]
  const queueOf = (run: Run) => stateOf(run).waiting[Math.min(run.execution.priority, priorities - 1)]

  function beginNow(run: Run): void {
    begunThisTurn += 1
    stateOf(run).busy += 1
    comeAgain()
    begin(run)
  }

  function beginWaiting(state: PoolState): void {
    for (const queue of state.waiting) {
      for (const run of queue) {
        if (state.busy >= state.limit || begunThisTurn >= beginsPerTurn) return
        queue.delete(run)
        if (run.phase === 'waiting') beginNow(run)
      }
    }
  }

  function nextTurn(): void {
    isTurnComing = false
    begunThisTurn = 0
    for (const pool of pools) beginWaiting(states[pool])
  }

  const room = (pool: Pool) => {
    const state = states[pool]
    if (size >= heldSize) return 0
    return Math.max(0, state.limit + ahead - state.held)
  }

  /** First to those in the store, then to whoever waits outside of it. */
  function offerRoom(pool: Pool): void {
    const state = states[pool]
    if (room(pool) < worthRoom || heldSize - size < worthBytes) return
    if (state.isBehind) onRoom()
    else for (const wake of [...state.waiters]) wake()
  }

  return {
    room,
    isFree: (pool) => states[pool].held <= states[pool].limit,
    hold(run) {
      stateOf(run).held += 1
      size += run.size
    },
    reserve(pool, runs, bytes) {
      states[pool].held += runs
      size += bytes
    },
    release(run) {
      const { pool } = run.execution
      states[pool].held -= 1
      size -= run.size
      queueOf(run)?.delete(run)
      offerRoom(pool)
    },
    start(run) {
      const state = stateOf(run)
      run.phase = 'waiting'
      if (state.busy < state.limit && begunThisTurn < beginsPerTurn) beginNow(run)
      else {
        queueOf(run)?.add(run)
        comeAgain()
      }
    },
    vacate(run) {
      stateOf(run).busy -= 1
      comeAgain()
    },
    hasRoomAgain(pool, waitMs) {
      if (waitMs <= 0) return Promise.resolve(false)
      return new Promise((resolve) => {
        const { waiters } = states[pool]
        const settle = (hasRoom: boolean) => {
          waiters.delete(wake)
          timer.cancel()
          resolve(hasRoom)
        }
        const wake = () => settle(true)
        const timer = clock.callAfter(waitMs, () => settle(false))
        waiters.add(wake)
      })
    },
    turnAway(pool) {
      states[pool].isBehind = true
    },
    isBehind: (pool) => states[pool].isBehind,
    caughtUp(pool) {
      states[pool].isBehind = false
      offerRoom(pool)
    },
    view(pool) {
      const { busy, held, limit, waiters, waiting } = states[pool]
      const waits = waiting.reduce((sum, queue) => sum + queue.size, 0)
      return { busy, claimed: held, limit, waiting: waits, outside: waiters.size }
    },
  }
}
