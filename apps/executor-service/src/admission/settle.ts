import { type Clock, walkPages } from '@belfry/service'
import type { ExecutionChanges } from '../executions/changes.ts'
import type { RowId, Stores } from '../store/ports.ts'
import type { Admission } from './admission.ts'
import { settlePage, unmark } from './fence.ts'

export interface SettleOptions {
  readonly stores: Stores
  readonly clock: Clock
  /** Jobs of one iteration. */
  readonly jobs: number
  /** Executions of each of them. */
  readonly rows: number
  readonly changes: ExecutionChanges
}

export interface Settle {
  /**
   * One iteration: ends the next ready executions that fences have closed, a page of each of some jobs, so that a job with very
   * many holds up no other. Answers true while there are marked admissions. Rejects after the iteration when a job could not be
   * worked on; it stays marked.
   */
  runOnce(): Promise<boolean>
}

/**
 * Works off what fences leave behind (docs/protocol.md step 2). The mark on the admission is durable, so the work is taken up
 * again after a crash, from the job's first execution; several executors that do it at once repeat nothing, because each
 * change is a compare-and-set.
 */
export function createSettle({ stores, clock, jobs, rows, changes }: SettleOptions): Settle {
  const nextUnsettled = walkPages<Admission, RowId>((after) => stores.admissions.listUnsettled(after, jobs))
  /** How far the work of each mark has come. A newer mark of the same job begins anew. */
  const progress = new Map<string, { readonly mark: number; readonly after: RowId }>()
  let hasFound = false

  async function settle(admission: Admission): Promise<void> {
    const { jobId, unsettled: mark } = admission
    const known = progress.get(jobId)
    const after = known?.mark === mark ? known.after : null
    const { closed, next } = await settlePage(stores, admission, after, rows, clock.now())
    changes.publish(closed, 'close')
    if (next !== null) progress.set(jobId, { mark, after: next })
    else {
      await unmark(stores, jobId, mark, clock.now())
      progress.delete(jobId)
    }
  }

  return {
    async runOnce() {
      const page = await nextUnsettled()
      hasFound ||= page.rows.length > 0
      const failures: unknown[] = []
      for (const one of page.rows) await settle(one).catch((err: unknown) => failures.push(err))
      // Another walk follows one that has found something.
      const isMore = page.isMore || hasFound
      if (!page.isMore) {
        if (!hasFound) progress.clear()
        hasFound = false
      }
      if (failures.length > 0) throw failures[0]
      return isMore
    },
  }
}
