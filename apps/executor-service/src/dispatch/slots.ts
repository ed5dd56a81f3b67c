import type { Clock } from '@belfry/service'
import type { Attempt } from '../attempts/attempt.ts'
import { type Execution, executionSize, type Pool } from '../executions/execution.ts'
import { type AttemptQueue, createAttemptQueue } from './attempt-queue.ts'
import { createSaturatedOwners, type SaturatedOwners } from './saturation.ts'
import { createShare, pickNext, type Share } from './share.ts'

export interface SlotsOptions {
  readonly clock: Clock
  /** Runs at a time. */
  readonly limits: Readonly<Record<Pool, number>>
  /** Claims beyond them, of each pool. */
  readonly ahead: number
  /** What all held runs may take up in memory, bytes. */
  readonly heldSize: number
  /** What one owner may have of each of these while others wait, above 0 and at most 1. */
  readonly ownerShare: number
  /** Starts the run, which has a slot now. */
  readonly begin: (run: Attempt) => void
  /** There is room again after some were turned away. */
  readonly onRoom: () => void
}

/**
 * How much this executor takes on, and for whom (docs/decisions, "one owner's share"). A run is held from its claim until its
 * end is stored, and takes a slot while its handler is at work. Runs whose time has come and that find no slot wait here.
 */
export interface Slots {
  /** How many more may be claimed, of any owner. */
  room(pool: Pool): number
  /** How many more may be claimed for owners that are below their part. */
  roomBelowPart(pool: Pool): number
  /** This one may be claimed. */
  hasRoom(execution: Execution): boolean
  /** The run is claimed, or about to be. */
  hold(run: Attempt): void
  /** Room for an execution that is not held yet; taken back with -1. */
  reserve(execution: Execution, places: 1 | -1): void
  /** The run's end is stored, or it was never claimed. */
  release(run: Attempt): void
  /** Its time has come: begins it, or lets it wait for a slot. */
  start(run: Attempt): void
  /** Its handler is done. */
  vacate(run: Attempt): void
  /**
   * Waits until there is room for one of their owners, at most so many milliseconds; false when there is none by then. It
   * does not wait for owners for whom the last wait was in vain and of whose runs hardly any has ended since.
   */
  hasRoomAgain(executions: readonly Execution[], waitMs: number): Promise<boolean>
  /** It was due and had to be left in the store. */
  markSaturated(execution: Execution): void
  /** Executions of this pool were turned away, and may still be in the store. */
  isSaturated(pool: Pool): boolean
  /** So may some of its owner's: it must not overtake them. */
  mustQueue(execution: Execution): boolean
  /** The store has no more that are due. */
  clearSaturated(pool: Pool): void
  /** All that is due in the store was looked through for owners that are not `greedy`, and they have their room. */
  lookedThrough(pool: Pool): void
  /** Owners that hold so much that a further owner would get less: others come before them in what is claimed next. */
  greedy(pool: Pool): readonly string[]
  /** How many there are of each. */
  view(pool: Pool): SlotsView
}

interface SlotsView {
  readonly busy: number
  readonly claimed: number
  readonly limit: number
  /** Runs whose time has come, that wait for a slot. */
  readonly waiting: number
  /** Batches that wait for room with what is not claimed yet. */
  readonly waiters: number
}

const pools: readonly Pool[] = ['io', 'cpu']
/** Handlers that are called in one turn of the loop; between turns due timers go first. */
const beginsPerTurn = 50

interface PoolState {
  readonly slots: Share
  readonly claims: Share
  readonly queue: AttemptQueue
  readonly turnedAway: SaturatedOwners
}

/** What an owner has in a pool. */
interface Use {
  busy: number
  held: number
  /** Runs that have ended since a wait for room was in vain. */
  ended: number
}

type Owner = Record<Pool, Use> & { readonly id: string; size: number }

interface Waiter {
  readonly places: readonly { readonly pool: Pool; readonly owner: string }[]
  readonly wake: () => void
}

export function createSlots(options: SlotsOptions): Slots {
  const { clock, limits, ahead, heldSize, ownerShare, begin, onRoom } = options
  const stateOf = (pool: Pool): PoolState => ({
    slots: createShare(limits[pool], ownerShare),
    claims: createShare(limits[pool] + ahead, ownerShare),
    queue: createAttemptQueue(),
    turnedAway: createSaturatedOwners(),
  })
  const states: Record<Pool, PoolState> = { io: stateOf('io'), cpu: stateOf('cpu') }
  const sizes = createShare(heldSize, ownerShare)
  /** Free bytes from which asking the store is worth it, as `worthRoom` for runs. */
  const worthBytes = heldSize / 4
  const owners = new Map<string, Owner>()
  const waiters = new Set<Waiter>()
  let begunThisTurn = 0
  let isTurnComing = false

  /** Enough room that asking the store is worth it; less is left to the poll. */
  const worthRoom = (pool: Pool) =>
    Math.max(1, Math.min(Math.floor(ahead / 4), Math.floor(states[pool].claims.part / 2)))

  function ownerOf(id: string): Owner {
    const known = owners.get(id)
    if (known) return known
    const use = (pool: Pool): Use => ({ busy: 0, held: 0, ended: worthRoom(pool) })
    const added: Owner = { id, size: 0, io: use('io'), cpu: use('cpu') }
    owners.set(id, added)
    return added
  }

  function changeHeld(owner: Owner, pool: Pool, places: 1 | -1, size: number): void {
    const use = owner[pool]
    const { claims } = states[pool]
    use.held = claims.take(use.held, places)
    if (size !== 0) owner.size = sizes.take(owner.size, size)
    forgetIdle(owner)
  }

  function forgetIdle({ id, io, cpu }: Owner): void {
    if (io.held + io.busy + cpu.held + cpu.busy === 0) owners.delete(id)
  }

  /** Starts what waits once the loop has had its turn. */
  function comeAgain(): void {
    if (isTurnComing) return
    isTurnComing = true
    setImmediate(nextTurn)
  }

  function beginNow(run: Attempt): void {
    const { pool, ownerId } = run.execution
    const use = ownerOf(ownerId)[pool]
    begunThisTurn += 1
    use.busy = states[pool].slots.take(use.busy, 1)
    comeAgain()
    begin(run)
  }

  function beginWaiting(pool: Pool): void {
    const { queue, slots } = states[pool]
    while (begunThisTurn < beginsPerTurn) {
      const owner = pickNext(queue.owners(), (id) => owners.get(id)?.[pool].busy ?? 0, slots)
      const run = owner === undefined ? undefined : queue.takeFrom(owner)
      if (run === undefined) return
      if (run.phase === 'waiting') beginNow(run)
    }
  }

  function nextTurn(): void {
    isTurnComing = false
    begunThisTurn = 0
    for (const pool of pools) beginWaiting(pool)
  }

  function roomOf(owner: Owner | undefined, pool: Pool): number {
    if (sizes.room(owner?.size ?? 0) === 0) return 0
    return states[pool].claims.room(owner?.[pool].held ?? 0)
  }

  function mustQueue(pool: Pool, ownerId: string): boolean {
    const { turnedAway, claims } = states[pool]
    if (turnedAway.isEmpty()) return false
    return turnedAway.has(ownerId) || (owners.get(ownerId)?.[pool].held ?? 0) >= claims.part
  }

  const room = (pool: Pool) => {
    const { claims } = states[pool]
    return sizes.used >= sizes.limit ? 0 : Math.max(0, claims.limit - claims.used)
  }

  /** First to what is in the store, then to what waits outside of it. */
  function offerRoom(pool: Pool): void {
    const worth = worthRoom(pool)
    if (sizes.limit - sizes.used < worthBytes) return
    if (!states[pool].turnedAway.isEmpty() && room(pool) >= worth) onRoom()
    if (waiters.size === 0) return
    for (const { places, wake } of [...waiters]) {
      const hasRoom = (one: Waiter['places'][number]) =>
        one.pool === pool && !mustQueue(pool, one.owner) && roomOf(owners.get(one.owner), pool) >= worth
      if (places.some(hasRoom)) wake()
    }
  }

  /** The owners of these for whom a wait may be worth it, each once. */
  function placesOf(executions: readonly Execution[]): Waiter['places'] {
    const places = new Map<string, Waiter['places'][number]>()
    for (const { pool, ownerId: owner } of executions) {
      const use = owners.get(owner)?.[pool]
      if (use === undefined || use.ended >= worthRoom(pool)) places.set(`${pool} ${owner}`, { pool, owner })
    }
    return [...places.values()]
  }

  function greedy(pool: Pool): readonly string[] {
    const holding = [...owners.values()].filter((one) => one[pool].held > 0)
    const fair = 1 / (holding.length + 1)
    const isGreedy = (one: Owner) => one[pool].held >= states[pool].claims.limit * fair || one.size >= heldSize * fair
    return holding.filter(isGreedy).map((one) => one.id)
  }

  return {
    room,
    greedy,
    roomBelowPart(pool) {
      const { claims } = states[pool]
      return sizes.counted >= sizes.limit ? 0 : Math.max(0, claims.limit - claims.counted)
    },
    hasRoom: ({ pool, ownerId }) => roomOf(owners.get(ownerId), pool) > 0,
    hold: ({ execution, size }) => changeHeld(ownerOf(execution.ownerId), execution.pool, 1, size),
    reserve: (execution, places) =>
      changeHeld(ownerOf(execution.ownerId), execution.pool, places, places * executionSize(execution)),
    release(run) {
      const { pool, ownerId } = run.execution
      const owner = ownerOf(ownerId)
      owner[pool].ended += 1
      changeHeld(owner, pool, -1, -run.size)
      states[pool].queue.remove(run)
      offerRoom(pool)
    },
    start(run) {
      const { slots, queue } = states[run.execution.pool]
      run.phase = 'waiting'
      const isFree = queue.size() === 0 && slots.used < slots.limit
      if (isFree && begunThisTurn < beginsPerTurn) return beginNow(run)
      queue.add(run)
      comeAgain()
    },
    vacate(run) {
      const { pool, ownerId } = run.execution
      const owner = ownerOf(ownerId)
      owner[pool].busy = states[pool].slots.take(owner[pool].busy, -1)
      forgetIdle(owner)
      comeAgain()
    },
    hasRoomAgain(executions, waitMs) {
      const places = waitMs > 0 ? placesOf(executions) : []
      if (places.length === 0) return Promise.resolve(false)
      return new Promise((resolve) => {
        const settle = (hasRoom: boolean) => {
          waiters.delete(waiter)
          timer.cancel()
          resolve(hasRoom)
        }
        const giveUp = () => {
          for (const { pool, owner } of places) {
            const use = owners.get(owner)?.[pool]
            if (use) use.ended = 0
          }
          settle(false)
        }
        const waiter: Waiter = { places, wake: () => settle(true) }
        const timer = clock.callAfter(waitMs, giveUp)
        waiters.add(waiter)
      })
    },
    markSaturated: ({ pool, ownerId }) => states[pool].turnedAway.add(ownerId),
    isSaturated: (pool) => !states[pool].turnedAway.isEmpty(),
    mustQueue: ({ pool, ownerId }) => mustQueue(pool, ownerId),
    clearSaturated(pool) {
      states[pool].turnedAway.clear()
      offerRoom(pool)
    },
    lookedThrough: (pool) => states[pool].turnedAway.nextRound(greedy(pool)),
    view(pool) {
      const { slots, claims, queue } = states[pool]
      const outside = [...waiters].filter(({ places }) => places.some((one) => one.pool === pool)).length
      return { busy: slots.used, claimed: claims.used, limit: slots.limit, waiting: queue.size(), waiters: outside }
    },
  }
}
