import { isRefusal } from '@belfry/contracts'
import type { WorkShare } from '@belfry/storage'
import { afterPause } from '../domain/job.ts'
import { asOwner } from '../domain/reach.ts'
import type { DueCursor, DuePauseEnd } from '../store/ports.ts'
import { type ChangeContext, changeJob } from '../use-cases/change-job.ts'

export interface EndPausesOptions {
  readonly share: () => WorkShare
  /** Jobs of one page. */
  readonly rows: number
}

/**
 * One iteration of ending the pauses whose end has come: a resume like any other. Of several instances that end the same pause one
 * changes the job, and the others find it changed. A pause that could not be ended is due again at the next iteration.
 */
export function createEndPauses(context: ChangeContext, { share, rows }: EndPausesOptions): () => Promise<void> {
  const { clock, log } = context
  const { jobs } = context.stores

  const end = async ({ jobId, ownerId }: DuePauseEnd): Promise<void> => {
    try {
      const target = { caller: asOwner(ownerId), ref: jobId }
      const ended = await changeJob(context, target, (job) => afterPause(job, clock.now()), { need: 'operate' })
      if (isRefusal(ended)) log.warn({ jobId, reason: ended.detail }, 'the pause of a job cannot be ended yet')
    } catch (err) {
      log.warn({ err, jobId }, 'the pause of a job could not be ended')
    }
  }

  return async () => {
    let after: DueCursor | null = null
    do {
      const { rows: due, next } = await jobs.listPauseEnds(clock.now(), rows, share(), after)
      await Promise.all(due.map(end))
      after = next
    } while (after !== null)
  }
}
