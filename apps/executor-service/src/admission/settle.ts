import type { Clock } from '@belfry/service'
import type { RowId, Stored, Stores, UnsettledAdmission } from '../store/ports.ts'
import { settlePage, unmark } from './fence.ts'

export interface SettleOptions {
  readonly stores: Stores
  readonly clock: Clock
  /** Jobs of one turn. */
  readonly jobs: number
  /** Executions of each of them. */
  readonly rows: number
  /** These have ended, and that is stored. */
  readonly onClosed: (closed: readonly Stored[]) => void
}

export interface Settle {
  /**
   * One turn: ends the next ready executions that fences have closed, a page of each of some jobs, so that a job with very
   * many holds up no other. Answers true while there are marked admissions. Rejects after the turn when a job could not be
   * worked on; it stays marked.
   */
  runOnce(): Promise<boolean>
}

/**
 * Works off what fences leave behind (protocol.md step 2). The mark on the admission is durable, so the work is taken up
 * again after a crash, from the job's first execution; several executors that do it at once repeat nothing, because each
 * change is a compare-and-set.
 */
export function createSettle({ stores, clock, jobs, rows, onClosed }: SettleOptions): Settle {
  let lastJob: RowId = 0
  /** How far the work of each mark has come. A newer mark of the same job begins anew. */
  const progress = new Map<string, { readonly mark: number; readonly after: RowId }>()

  async function settle({ admission }: UnsettledAdmission): Promise<void> {
    const { jobId, unsettled: mark } = admission
    const known = progress.get(jobId)
    const from = known?.mark === mark ? known.after : 0
    const { closed, after } = await settlePage(stores, admission, from, rows, clock.now())
    if (closed.length > 0) onClosed(closed)
    if (after !== null) progress.set(jobId, { mark, after })
    else {
      await unmark(stores, jobId, mark, clock.now())
      progress.delete(jobId)
    }
  }

  return {
    async runOnce() {
      const begunAt = lastJob
      const page = await stores.admissions.listUnsettled(begunAt, jobs)
      const failures: unknown[] = []
      for (const one of page) await settle(one).catch((err: unknown) => failures.push(err))
      lastJob = page.length < jobs ? 0 : (page.at(-1)?.rowId ?? 0)
      if (page.length === 0 && begunAt === 0) progress.clear()
      if (failures.length > 0) throw failures[0]
      return page.length > 0 || begunAt !== 0
    },
  }
}
