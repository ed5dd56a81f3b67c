import { type Refusal, refusal } from '@belfry/contracts'
import type { Clock } from '@belfry/service'

/** One call that waits. */
interface Wait<T> {
  readonly userId: string
  /** What `nudge` names when the state may have changed. */
  readonly key: string
  /** Longest wait, milliseconds. */
  readonly maxMs: number
  /** Reads the state. */
  check(): Promise<T>
  isDone(state: T): boolean
  /** The caller is gone. */
  readonly signal: AbortSignal
}

/** Calls that wait for a state (docs/jobs.md, "Wait for an end"). */
export interface Waiters {
  /** The state as soon as it is done; the last one that was read when the time is over, the caller is gone, or the service stops. */
  wait<T>(wait: Wait<T>): Promise<T | Refusal>
  /** Something has changed: its state is read at once, and not only at the next poll. */
  nudge(key: string): void
  /** Ends all waits. */
  stop(): void
}

export interface WaitersOptions {
  readonly clock: Clock
  /** How often a state is read that another instance may have changed, milliseconds. */
  readonly pollMs: number
  /** Calls that wait in this process, in all and of one user; more are refused. */
  readonly most: number
  readonly mostOfUser: number
}

const tooManyWait = refusal('too-many-requests', 'Too many calls of yours wait already.', { retryAfterS: 1 })

export function createWaiters({ clock, pollMs, most, mostOfUser }: WaitersOptions): Waiters {
  const sleepers = new Map<string, Set<() => void>>()
  const byUser = new Map<string, number>()
  let waiting = 0
  let isStopped = false

  const count = (userId: string, by: 1 | -1) => {
    waiting += by
    const left = (byUser.get(userId) ?? 0) + by
    if (left > 0) byUser.set(userId, left)
    else byUser.delete(userId)
  }

  /** Resolves after so long, or earlier at a nudge, at the end of the caller, or at the stop. */
  const sleep = (key: string, ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const ofKey = sleepers.get(key) ?? new Set()
      sleepers.set(key, ofKey)
      const wake = () => {
        timer.cancel()
        signal.removeEventListener('abort', wake)
        ofKey.delete(wake)
        if (ofKey.size === 0 && sleepers.get(key) === ofKey) sleepers.delete(key)
        resolve()
      }
      const timer = clock.callAfter(ms, wake)
      signal.addEventListener('abort', wake)
      ofKey.add(wake)
    })

  const wakeAll = (key: string) => {
    const ofKey = sleepers.get(key)
    if (ofKey !== undefined) for (const wake of [...ofKey]) wake()
  }

  return {
    async wait({ userId, key, maxMs, check, isDone, signal }) {
      let state = await check()
      if (isDone(state) || maxMs <= 0 || isStopped) return state
      if (waiting >= most || (byUser.get(userId) ?? 0) >= mostOfUser) return tooManyWait
      count(userId, 1)
      try {
        const until = clock.monotonic() + maxMs
        for (let left = maxMs; left > 0 && !isDone(state); left = until - clock.monotonic()) {
          await sleep(key, Math.min(left, pollMs), signal)
          if (isStopped || signal.aborted) break
          state = await check()
        }
        return state
      } finally {
        count(userId, -1)
      }
    },
    nudge: wakeAll,
    stop() {
      isStopped = true
      for (const key of [...sleepers.keys()]) wakeAll(key)
    },
  }
}
