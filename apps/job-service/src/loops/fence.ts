import { backoffMs, type Clock, type Logger } from '@belfry/service'
import type { DueFence, Executors, JobStore } from '../domain/ports.ts'
import { createRepeated } from './repeated.ts'

export interface FenceOptions {
  readonly jobs: JobStore
  readonly executors: Pick<Executors, 'fence'>
  readonly clock: Clock
  readonly log: Logger
  readonly rows: number
  /** Wait before the first repetition, and the longest one, milliseconds. */
  readonly firstMs: number
  readonly mostMs: number
}

/**
 * One turn of telling the executors again of changes that they have not confirmed (protocol.md, step 2): 5 s after the
 * change, doubling to 60 s, and at once for what a process before this one has left. Answers true when there may be more.
 */
export function createFenceRepeat(options: FenceOptions): () => Promise<boolean> {
  const { jobs, executors, clock, log, rows, firstMs, mostMs } = options
  const read = (until: number, after: DueFence | null) => jobs.dueFences(until, rows, after)
  const next = createRepeated({ read, clock, waits: { firstMs, mostMs } })

  const tell = async (due: DueFence): Promise<boolean> => {
    const { handle, jobId, changes, tries } = due
    try {
      const { fencedVersion } = await executors.fence(jobId, changes)
      await jobs.markFenced(handle, fencedVersion)
      return true
    } catch (err) {
      log.warn({ err, jobId, tries }, 'a change is still unknown to the executors')
      await jobs.postponeFence(due, clock.now() + backoffMs(tries + 1, firstMs, mostMs))
      return false
    }
  }

  return async () => {
    const { due, isMore } = await next()
    const told = await Promise.all(due.map(tell))
    return isMore && told.every(Boolean)
  }
}
