import type { RowId } from '@belfry/storage'
import type { Admission } from '../../admission/admission.ts'
import type { CursorPage } from './pages.ts'

/** As much of an admission as the retention asks about. */
export interface AdmissionSummary {
  readonly rowId: RowId
  readonly jobId: string
  readonly rev: number
  /** When it last changed, or closed an execution. */
  readonly neededAt: number
}

/** A change of an admission: it counts only if the stored `rev` is still `from.rev` (0: none is stored yet). */
interface AdmissionUpdate {
  readonly from: Admission
  readonly to: Admission
}

/** The admissions, one record per job. A job without one is open. All verbs reject with a `StorageError`. */
export interface AdmissionStore {
  read(jobIds: readonly string[]): Promise<readonly (Admission | undefined)[]>
  /** Whether each change counts. */
  compareAndSetMany(
    step: 'fence' | 'place' | 'settle',
    updates: readonly AdmissionUpdate[],
    at: number,
  ): Promise<readonly boolean[]>
  /** Those whose closed executions may still be ready (`Admission.unsettled`), in an order that stays, after `after`. */
  listUnsettled(after: RowId | null, limit: number): Promise<CursorPage<Admission>>
  /** They were needed at `at`: they have closed an execution. Those that are not stored stay so. */
  touch(jobIds: readonly string[], at: number): Promise<void>
  /** The next ones after `after`, in an order that stays. */
  list(after: RowId | null, limit: number): Promise<CursorPage<AdmissionSummary>>
  /** Removes those that are still at `rev` and `neededAt`. Answers how many went. */
  purgeMany(rows: readonly AdmissionSummary[]): Promise<number>
}
