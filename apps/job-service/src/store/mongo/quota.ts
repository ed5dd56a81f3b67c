import type { Clock } from '@belfry/service'
import type { Collection } from '@belfry/storage/mongo'
import { LRUCache } from 'lru-cache'
import type { JobRecord } from './collections.ts'

/** Owners whose count is remembered. */
const ownersLimit = 10_000
/** How long a count holds, milliseconds on the monotonic clock. */
const countedMs = 10_000
/** Of what an owner may still have, one process creates so much without counting again. */
const part = 16

/** How many jobs owners may still create. */
export interface Quota {
  /** Whether the owner may create one more job. */
  take(ownerId: string, mostJobs: number): Promise<boolean>
}

/**
 * Counts the jobs of an owner by an index, and not at each creation: a count costs more the more there are. After one, a process
 * may create a sixteenth of what is left, within ten seconds, before it counts again. So up to 16 processes keep the
 * quota, but for what they create at the same time; and no counter is stored that could drift from the jobs.
 */
export function createQuota(jobs: Collection<JobRecord>, clock: Clock): Quota {
  const counted = new LRUCache<string, { left: number; readonly until: number }>({ max: ownersLimit })
  return {
    async take(ownerId, mostJobs) {
      if (mostJobs >= Number.MAX_SAFE_INTEGER) return true
      const known = counted.get(ownerId)
      if (known && known.left > 0 && clock.monotonic() < known.until) {
        known.left -= 1
        return true
      }
      const count = await jobs.count('jobs.count', { liveOf: ownerId }, mostJobs)
      const left = Math.floor((mostJobs - count) / part)
      counted.set(ownerId, { left, until: clock.monotonic() + countedMs })
      return count < mostJobs
    },
  }
}
