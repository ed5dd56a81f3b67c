import type { AuditOutcome, AuditRow, NewAuditRow } from './row.ts'
import type { Seal, SealContent } from './seal.ts'

/** Whose rows a list shows. Without a field it shows all. */
export interface AuditScope {
  readonly actorId?: string | undefined
  readonly target?: string | undefined
}

/** Rows that may be sealed now: how many, the number of the last one, and when the oldest was made (epoch milliseconds). */
export interface SealableRows {
  readonly count: number
  readonly last: number
  readonly oldestAt: number
}

/**
 * The audit log of one service. Rows are added and get their outcome once; nothing else changes them, and only retention removes
 * them, with their seal. The store hands out the numbers: unique and growing, with gaps. All verbs reject with a `StorageError`.
 */
export interface AuditStore {
  /**
   * How long the number of a row may have been handed out before its row is stored, milliseconds. 0: a row is never stored after
   * one with a higher number.
   */
  readonly settleMs: number
  /**
   * Stores a row, and answers its number. A row that is sent before another write of the same process on the same file is
   * never stored later than that one where `settleMs` is 0.
   */
  append(row: NewAuditRow): Promise<number>
  /** Stores outcomes. A row that has one, or is frozen, stays as it is. */
  complete(outcomes: readonly AuditOutcome[]): Promise<void>
  /** Rows of the scope with a number below `before` (null: from the newest on), newest first. */
  list(scope: AuditScope, before: number | null, limit: number): Promise<AuditRow[]>
  /** The newest number that was handed out; 0 when there is none. */
  head(): Promise<number>
  /**
   * The first rows with a number above `after`, up to `upTo`, which stand before the first one that has no outcome and was made after
   * `openSince` (epoch milliseconds); null when there are none.
   */
  peek(after: number, upTo: number, openSince: number, limit: number): Promise<SealableRows | null>
  /** The content of the rows with a number above `after`, up to `upTo`. */
  readContent(after: number, upTo: number): Promise<SealContent>
  /** No outcome is stored any more for the rows above `after` up to `upTo`. */
  freeze(after: number, upTo: number): Promise<void>
  newestSeal(): Promise<Seal | null>
  /** False, and nothing changes, when there is a seal of this number. */
  insertSeal(seal: Seal): Promise<boolean>
  /** Seals with a number above `after`, oldest first. */
  listSeals(after: number, limit: number): Promise<Seal[]>
  /** Removes the seals up to `no` and the rows up to `last`: those of one seal, which is not the newest, and of all before it. */
  removeThrough(seal: Pick<Seal, 'no' | 'last'>): Promise<void>
}
