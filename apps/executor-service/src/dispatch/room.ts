import type { Clock } from '@belfry/service'
import { type Execution, type Pool, slotsOf } from '../executions/execution.ts'
import { createShare, type Share } from './share.ts'

export interface RoomOptions {
  readonly clock: Clock
  /** Attempts at a time. */
  readonly limits: Readonly<Record<Pool, number>>
  /** Claims beyond them, of each pool. */
  readonly ahead: number
  /** What all held attempts may take up in memory, bytes. */
  readonly heldSize: number
  /** What one owner may have of each of these while others wait, above 0 and at most 1. */
  readonly ownerShare: number
  /** A slot is free: attempts do not wait for each other, so there will be room as soon as the store has caught up. */
  readonly hasFreeSlot: (pool: Pool) => boolean
}

/**
 * How many executions this executor may hold, by number and by bytes, and for which owners (docs/decisions, "one owner's
 * share"). An execution takes room when its claim is decided, and releases it once the end of its attempt is stored.
 */
export interface Room {
  /** How many more may be claimed, of any owner. */
  left(pool: Pool): number
  /** How many more may be claimed for owners that are below their part. */
  leftBelowPart(pool: Pool): number
  /** This one may be claimed. */
  hasRoomFor(execution: Execution): boolean
  /** `size`: what it takes up in memory, bytes. */
  take(execution: Execution, size: number): void
  release(execution: Execution, size: number): void
  /**
   * Waits until there is room for one of their owners, at most so many milliseconds; false when there is none by then, true
   * when slots are free and another wait is worth it. It does not wait for owners for whom the last wait was in vain and of whose
   * attempts hardly any has ended since.
   */
  waitForRoom(executions: readonly Execution[], waitMs: number): Promise<boolean>
  /** Resolves when there is room again for executions that are due and had to be left in the store. */
  reopened(): Promise<void>
  /** The execution is due and had to be left in the store. */
  markSaturated(execution: Execution): void
  /** Executions of this pool were left in the store, and may still be there. */
  isSaturated(pool: Pool): boolean
  /** Executions of its owner may be among them: it must not overtake them. */
  mustQueue(execution: Execution): boolean
  /** The store has no more that are due. */
  clearSaturated(pool: Pool): void
  /** All that is due in the store was looked through for owners that are not `greedy`, and they have their room. */
  lookedThrough(pool: Pool): void
  /** Owners that hold so much that a further owner would get less: others come before them in what is claimed next. */
  greedy(pool: Pool): readonly string[]
  /** How many are held, and how many batches wait for room. */
  view(pool: Pool): { readonly claimed: number; readonly waiters: number }
}

/** What an owner has in a pool. */
interface Use {
  held: number
  /** Attempts that have ended since a wait for room was in vain. */
  ended: number
}

type Owner = Record<Pool, Use> & { readonly id: string; size: number }

interface PoolState {
  readonly claims: Share
  readonly saturated: SaturatedOwners
}

interface Waiter {
  readonly wants: readonly { readonly pool: Pool; readonly owner: string }[]
  readonly wake: () => void
}

/** Room for so many is worth asking the store, however many more may be claimed. */
const mostWorth = 250

export function createRoom({ clock, limits, ahead, heldSize, ownerShare, hasFreeSlot }: RoomOptions): Room {
  const stateOf = (pool: Pool): PoolState => ({
    claims: createShare(limits[pool] + ahead, ownerShare),
    saturated: createSaturatedOwners(),
  })
  const states: Record<Pool, PoolState> = { io: stateOf('io'), cpu: stateOf('cpu') }
  const sizes = createShare(heldSize, ownerShare)
  /** Free bytes from which asking the store is worth it, as `worthRoom` for claims. */
  const worthBytes = heldSize / 4
  const owners = new Map<string, Owner>()
  const waiters = new Set<Waiter>()
  let reopening: PromiseWithResolvers<void> | null = null

  /** Enough room that asking the store is worth it; less is left to the poll. */
  const worthRoom = (pool: Pool) =>
    Math.max(1, Math.min(mostWorth, Math.floor(ahead / 4), Math.floor(states[pool].claims.part / 2)))

  function ownerOf(id: string): Owner {
    const known = owners.get(id)
    if (known) return known
    const use = (pool: Pool): Use => ({ held: 0, ended: worthRoom(pool) })
    const added: Owner = { id, size: 0, io: use('io'), cpu: use('cpu') }
    owners.set(id, added)
    return added
  }

  function change(owner: Owner, pool: Pool, count: 1 | -1, size: number): void {
    owner[pool].held = states[pool].claims.take(owner[pool].held, count)
    owner.size = sizes.take(owner.size, size)
    if (owner.io.held + owner.cpu.held === 0) owners.delete(owner.id)
  }

  function roomOf(owner: Owner | undefined, pool: Pool): number {
    if (sizes.room(owner?.size ?? 0) === 0) return 0
    return states[pool].claims.room(owner?.[pool].held ?? 0)
  }

  function mustQueue(pool: Pool, ownerId: string): boolean {
    const { saturated, claims } = states[pool]
    if (saturated.isEmpty()) return false
    return saturated.has(ownerId) || (owners.get(ownerId)?.[pool].held ?? 0) >= claims.part
  }

  const left = (pool: Pool) => {
    const { claims } = states[pool]
    return sizes.used >= sizes.limit ? 0 : Math.max(0, claims.limit - claims.used)
  }

  /** First to executions in the store, then to batches that wait. */
  function offerRoom(pool: Pool): void {
    if (sizes.limit - sizes.used < worthBytes) return
    const worth = worthRoom(pool)
    if (!states[pool].saturated.isEmpty() && left(pool) >= worth) {
      reopening?.resolve()
      reopening = null
    }
    if (waiters.size === 0) return
    for (const { wants, wake } of [...waiters]) {
      const hasRoom = (one: Waiter['wants'][number]) =>
        one.pool === pool && !mustQueue(pool, one.owner) && roomOf(owners.get(one.owner), pool) >= worth
      if (wants.some(hasRoom)) wake()
    }
  }

  /** The owners of these for whom a wait may be worth it, each once. */
  function wantsOf(executions: readonly Execution[]): Waiter['wants'] {
    const wants = new Map<string, Waiter['wants'][number]>()
    for (const { pool: readyPool, ownerId: owner } of executions) {
      const pool = slotsOf(readyPool)
      const use = owners.get(owner)?.[pool]
      if (use === undefined || use.ended >= worthRoom(pool)) wants.set(`${pool} ${owner}`, { pool, owner })
    }
    return [...wants.values()]
  }

  function greedy(pool: Pool): readonly string[] {
    const holding = [...owners.values()].filter((one) => one[pool].held > 0)
    const fair = 1 / (holding.length + 1)
    const isGreedy = (one: Owner) => one[pool].held >= states[pool].claims.limit * fair || one.size >= heldSize * fair
    return holding.filter(isGreedy).map((one) => one.id)
  }

  return {
    left,
    greedy,
    leftBelowPart(pool) {
      const { claims } = states[pool]
      return sizes.counted >= sizes.limit ? 0 : Math.max(0, claims.limit - claims.counted)
    },
    hasRoomFor: ({ pool, ownerId }) => roomOf(owners.get(ownerId), slotsOf(pool)) > 0,
    take: ({ pool, ownerId }, size) => change(ownerOf(ownerId), slotsOf(pool), 1, size),
    release({ pool: readyPool, ownerId }, size) {
      const pool = slotsOf(readyPool)
      const owner = ownerOf(ownerId)
      owner[pool].ended += 1
      change(owner, pool, -1, -size)
      offerRoom(pool)
    },
    waitForRoom(executions, waitMs) {
      const wants = waitMs > 0 ? wantsOf(executions) : []
      if (wants.length === 0) return Promise.resolve(false)
      return new Promise((resolve) => {
        const conclude = (hasRoom: boolean) => {
          waiters.delete(waiter)
          timer.cancel()
          resolve(hasRoom)
        }
        const giveUp = () => {
          if (wants.some(({ pool }) => hasFreeSlot(pool))) return conclude(true)
          for (const { pool, owner } of wants) {
            const use = owners.get(owner)?.[pool]
            if (use) use.ended = 0
          }
          conclude(false)
        }
        const waiter: Waiter = { wants, wake: () => conclude(true) }
        const timer = clock.callAfter(waitMs, giveUp)
        waiters.add(waiter)
      })
    },
    reopened() {
      reopening ??= Promise.withResolvers()
      return reopening.promise
    },
    markSaturated: ({ pool, ownerId }) => states[slotsOf(pool)].saturated.add(ownerId),
    isSaturated: (pool) => !states[pool].saturated.isEmpty(),
    mustQueue: ({ pool, ownerId }) => mustQueue(slotsOf(pool), ownerId),
    clearSaturated(pool) {
      states[pool].saturated.clear()
      offerRoom(pool)
    },
    lookedThrough: (pool) => states[pool].saturated.nextRound(greedy(pool)),
    view: (pool) => ({
      claimed: states[pool].claims.used,
      waiters: [...waiters].filter(({ wants }) => wants.some((one) => one.pool === pool)).length,
    }),
  }
}

/** Owners that are remembered; of one beyond them a newer execution may start before an older one. */
const mostOwners = 10_000

/** Which owners of a pool may have executions in the store that are due and found no room. */
interface SaturatedOwners {
  /** There is no such execution. */
  isEmpty(): boolean
  has(owner: string): boolean
  add(owner: string): void
  /** All that is due was looked through: forgets the owners that were added before the last time. */
  nextRound(stillThere: readonly string[]): void
  clear(): void
}

/** An owner is remembered for one whole round after it was last added, because only that round has seen all of the store. */
function createSaturatedOwners(): SaturatedOwners {
  let isEmpty = true
  let thisRound = new Set<string>()
  let lastRound = new Set<string>()
  return {
    isEmpty: () => isEmpty,
    has: (owner) => thisRound.has(owner) || lastRound.has(owner),
    add(owner) {
      isEmpty = false
      if (thisRound.size < mostOwners) thisRound.add(owner)
    },
    nextRound(stillThere) {
      lastRound = new Set([...thisRound, ...stillThere])
      thisRound = new Set()
    },
    clear() {
      isEmpty = true
      thisRound.clear()
      lastRound.clear()
    },
  }
}
