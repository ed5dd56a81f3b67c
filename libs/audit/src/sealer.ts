import type { Clock, Logger } from '@belfry/service'
import type { AuditStore, SealableRows } from './port.ts'
import { type Seal, sealOf } from './seal.ts'

export interface SealerOptions {
  readonly store: AuditStore
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly log: Logger
  /** Rows of one seal, at most. */
  readonly rows: number
  /** How old the oldest row may get before fewer rows are sealed, milliseconds. */
  readonly sealMs: number
  /** How long a row without an outcome is waited for, milliseconds. */
  readonly openMs: number
  /** Whether this instance seals in this turn. */
  readonly takesTurn: () => boolean
}

/** Whether it is time for a seal: a full one, or one over rows that have waited long enough. `now`: epoch milliseconds. */
export function isDue(
  { count, oldestAt }: SealableRows,
  now: number,
  { rows, sealMs }: Pick<SealerOptions, 'rows' | 'sealMs'>,
): boolean {
  return count >= rows || now - oldestAt >= sealMs
}

/**
 * Seals the rows of a service in batches: one turn seals one batch at most, and answers whether more may be due. Where a number may
 * be stored late, only rows up to a head that was seen `settleMs` ago are sealed (decision 029). Rows are frozen before they are
 * read, so that no outcome changes what a seal covers; a turn that ends in between leaves frozen rows to the next one.
 */
export function createSealer({ store, clock, log, takesTurn, ...bounds }: SealerOptions) {
  /** Heads by when they were seen, oldest first. */
  let seen: { readonly head: number; readonly at: number }[] = []

  async function settledHead(): Promise<number> {
    const [head, at] = [await store.head(), clock.monotonic()]
    if (store.settleMs === 0) return head
    // After a restore of the database the numbers begin again below those that were seen.
    if (seen.some((one) => one.head > head)) seen = []
    seen.push({ head, at })
    const settled = seen.findLastIndex((one) => at - one.at >= store.settleMs)
    seen = seen.slice(Math.max(0, settled))
    return settled === -1 ? 0 : (seen[0]?.head ?? 0)
  }

  async function seal(before: Seal | null, upTo: number): Promise<Seal | null> {
    const after = before?.last ?? 0
    const now = clock.now()
    const ready = await store.peek(after, upTo, now - bounds.openMs, bounds.rows)
    if (!ready || !isDue(ready, now, bounds)) return null
    await store.freeze(after, ready.last)
    const made = sealOf(before, await store.readContent(after, ready.last))
    return (await store.insertSeal(made)) ? made : null
  }

  return {
    async runOnce(): Promise<boolean> {
      if (!takesTurn()) return false
      const made = await seal(await store.newestSeal(), await settledHead())
      if (!made) return false
      // The line is a copy of the chain's head outside of the store: who rewrites the chain does not rewrite the log.
      log.info({ seal: made.no, rows: made.count, hash: made.hash }, 'audit rows are sealed')
      return made.count >= bounds.rows
    },
  }
}
