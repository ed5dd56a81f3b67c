import type { Attempt } from '../attempts/attempt.ts'
import { type Pool, slotsOf } from '../executions/execution.ts'
import { createShare, pickNext, type Share } from './share.ts'

export interface SlotsOptions {
  /** Attempts at a time. */
  readonly limits: Readonly<Record<Pool, number>>
  /** What one owner may have of them while others wait, above 0 and at most 1. */
  readonly ownerShare: number
}

/**
 * Which attempts may run (docs/decisions, "one owner's share"): an attempt takes a slot while its handler is at work. An
 * attempt whose time has come and that finds no slot waits in a queue. Owners take turns in it (a user's priorities order
 * that user's attempts only), and each owner's attempts are in order of priority and age.
 */
export interface Slots {
  /** Takes a slot; false when none is free or others wait for one. */
  take(attempt: Attempt): boolean
  /** The attempt waits for a slot. */
  enqueue(attempt: Attempt): void
  /** It waits no longer; nothing happens when it does not wait. */
  withdraw(attempt: Attempt): void
  /** Takes a slot for the next attempt that waits, and answers that attempt; undefined when none may start. */
  takeNext(pool: Pool): Attempt | undefined
  /** The attempt's handler is done. */
  vacate(attempt: Attempt): void
  view(pool: Pool): SlotsView
}

interface SlotsView {
  readonly busy: number
  readonly limit: number
  /** Attempts whose time has come, that wait for a slot. */
  readonly waiting: number
}

interface PoolState {
  readonly slots: Share
  /** How many slots an owner holds, by owner; an owner without one is absent. */
  readonly busy: Map<string, number>
  readonly queue: AttemptQueue
}

export function createSlots({ limits, ownerShare }: SlotsOptions): Slots {
  const stateOf = (pool: Pool): PoolState => ({
    slots: createShare(limits[pool], ownerShare),
    busy: new Map(),
    queue: createAttemptQueue(),
  })
  const states: Record<Pool, PoolState> = { io: stateOf('io'), cpu: stateOf('cpu') }

  function change({ slots, busy }: PoolState, ownerId: string, count: 1 | -1): void {
    const after = slots.take(busy.get(ownerId) ?? 0, count)
    if (after === 0) busy.delete(ownerId)
    else busy.set(ownerId, after)
  }

  return {
    take({ execution: { pool, ownerId } }) {
      const state = states[slotsOf(pool)]
      if (state.queue.size() > 0 || state.slots.used >= state.slots.limit) return false
      change(state, ownerId, 1)
      return true
    },
    enqueue: (attempt) => states[slotsOf(attempt.execution.pool)].queue.add(attempt),
    withdraw: (attempt) => states[slotsOf(attempt.execution.pool)].queue.remove(attempt),
    takeNext(pool) {
      const state = states[pool]
      if (state.queue.size() === 0) return undefined
      const owner = pickNext(state.queue.owners(), (id) => state.busy.get(id) ?? 0, state.slots)
      if (owner === undefined) return undefined
      change(state, owner, 1)
      return state.queue.takeFrom(owner)
    },
    vacate: ({ execution: { pool, ownerId } }) => change(states[slotsOf(pool)], ownerId, -1),
    view(pool) {
      const { slots, queue } = states[pool]
      return { busy: slots.used, limit: slots.limit, waiting: queue.size() }
    },
  }
}

/** Attempts of one pool that wait for a slot. */
interface AttemptQueue {
  size(): number
  add(attempt: Attempt): void
  remove(attempt: Attempt): void
  /** Those whose attempts wait; the one that was served last comes last. */
  owners(): Iterable<string>
  /** Takes out the owner's first attempt by priority and then by age, and puts the owner behind the others. */
  takeFrom(owner: string): Attempt | undefined
}

/** Priorities are 1 to 9; an index beyond them is never used. */
const priorities = 10

function createAttemptQueue(): AttemptQueue {
  const waiting = new Map<string, Set<Attempt>[]>()
  let size = 0

  const priorityOf = ({ execution }: Attempt) => Math.min(execution.priority, priorities - 1)

  function remove(attempt: Attempt): void {
    const { ownerId } = attempt.execution
    const levels = waiting.get(ownerId)
    if (!levels?.[priorityOf(attempt)]?.delete(attempt)) return
    size -= 1
    if (levels.every((level) => level.size === 0)) waiting.delete(ownerId)
  }

  return {
    size: () => size,
    add(attempt) {
      const { ownerId } = attempt.execution
      let levels = waiting.get(ownerId)
      if (levels === undefined) {
        levels = Array.from({ length: priorities }, () => new Set())
        waiting.set(ownerId, levels)
      }
      levels[priorityOf(attempt)]?.add(attempt)
      size += 1
    },
    remove,
    owners: () => waiting.keys(),
    takeFrom(owner) {
      const levels = waiting.get(owner)
      const [attempt] = levels?.find((level) => level.size > 0) ?? []
      if (levels === undefined || attempt === undefined) return undefined
      remove(attempt)
      if (waiting.delete(owner)) waiting.set(owner, levels)
      return attempt
    },
  }
}
