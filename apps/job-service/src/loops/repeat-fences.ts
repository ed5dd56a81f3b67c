import type { WorkShare } from '@belfry/storage'
import { type Backoff, nextRepetitionAt } from '../domain/backoff.ts'
import type { DueCursor, DueFence } from '../store/ports.ts'
import { type ConfirmContext, fence } from '../use-cases/confirm-changes.ts'
import type { JobContext } from '../use-cases/context.ts'
import { createDueLister } from '../use-cases/list-due.ts'

export interface RepeatFencesOptions {
  readonly share: () => WorkShare
  readonly rows: number
  readonly backoff: Backoff
}

/**
 * One iteration of repeating the fences that the executors have not confirmed (docs/protocol.md step 2): 5 s after the change,
 * then twice as long each time up to 60 s, and at once for what a process before this one has left. Answers true when there
 * may be more.
 */
export function createRepeatFences(
  context: ConfirmContext & Pick<JobContext, 'clock'>,
  { share, rows, backoff }: RepeatFencesOptions,
): () => Promise<boolean> {
  const { clock, log } = context
  const { jobs } = context.stores
  const read = (until: number, after: DueCursor | null) => jobs.listDueFences(until, rows, share(), after)
  const list = createDueLister({ read, clock, backoff })

  const repeat = async (due: DueFence): Promise<boolean> => {
    try {
      await fence(context, due)
      return true
    } catch (err) {
      log.warn({ err, jobId: due.jobId, tries: due.tries }, 'a change is still unknown to the executors')
      await jobs.postponeFenceIfUnchanged(due, nextRepetitionAt(due, clock.now(), backoff))
      return false
    }
  }

  return async () => {
    const { due, isMore } = await list()
    const confirmed = await Promise.all(due.map(repeat))
    return isMore && confirmed.every(Boolean)
  }
}
