import { type Clock, createBatcher, type Timer } from '@belfry/service'
import type { Attempt } from '../attempts/attempt.ts'
import { hasEnded } from '../executions/changes.ts'
import type { RowId, Step, Stored } from '../store/ports.ts'

export interface PlacelessOptions {
  readonly clock: Clock
  readonly held: ReadonlyMap<RowId, Attempt>
  /** How long after its time an execution may still find an overlap place, milliseconds. */
  readonly placeGraceMs: number
  /** The admissions of these are to be asked again. */
  readonly onAskAgain: (attempts: readonly Attempt[]) => void
}

/**
 * Claims that have no overlap place, and may still find one: ahead of their time, and for a moment after it. They ask again when
 * their time has come, when an execution of their job has ended here, and, since it may have ended elsewhere, twice within
 * the moment.
 */
export interface Placeless {
  add(rowId: RowId): void
  /** These have changed. */
  changed(stored: readonly Stored[], step: Step): void
}

export function createPlaceless({ clock, held, placeGraceMs, onAskAgain }: PlacelessOptions): Placeless {
  const byJob = new Map<string, Map<Attempt, Timer>>()
  const due = createBatcher<Attempt>((batch) => {
    // Those that were given back, or have ended, meanwhile ask for nothing.
    const left = [...new Set(batch)].filter((one) => held.get(one.rowId) === one && one.phase === 'admitting')
    if (left.length > 0) onAskAgain(left)
  })

  function ask(attempt: Attempt): void {
    const { jobId } = attempt.execution
    const ofJob = byJob.get(jobId)
    ofJob?.get(attempt)?.cancel()
    if (ofJob?.delete(attempt) && ofJob.size === 0) byJob.delete(jobId)
    due.add(attempt)
  }

  return {
    add(rowId) {
      const attempt = held.get(rowId)
      if (attempt === undefined) return
      const { jobId, runAt } = attempt.execution
      const now = clock.now()
      const askAt = now < runAt ? runAt : Math.min(now + placeGraceMs / 2, runAt + placeGraceMs)
      const ofJob = byJob.get(jobId) ?? new Map<Attempt, Timer>()
      byJob.set(
        jobId,
        ofJob.set(
          attempt,
          clock.callAt(askAt, () => ask(attempt)),
        ),
      )
    },
    changed(stored, step) {
      if (byJob.size === 0) return
      for (const { execution } of stored) {
        if (hasEnded(execution, step)) for (const one of [...(byJob.get(execution.jobId)?.keys() ?? [])]) ask(one)
      }
    },
  }
}
