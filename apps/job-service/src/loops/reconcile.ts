import type { Counter } from '@belfry/service'
import type { CursorStore, ExecutionStore, Executors } from '../domain/ports.ts'

export interface ReconcileOptions {
  readonly executors: Executors
  readonly executions: ExecutionStore
  readonly cursors: CursorStore
  readonly repaired: Counter
  /** What changed last before this moment (epoch milliseconds) has been cleared away here, and does not come back. */
  readonly clearedBefore: () => number
  readonly rows: number
  /** How far before the newest row of the last round a round begins, milliseconds. */
  readonly overlapMs: number
}

const cursorName = 'executions'
/** Ids that one fetch may name (contracts, `fetchBody`). */
const fetchLimit = 200

/**
 * One round of comparing the copies with the executors' executions, by time of change on their clock, and of fetching
 * what differs (protocol.md, step 14). It repairs every lost message, also of executions never heard of here.
 */
export function createReconcile(options: ReconcileOptions): () => Promise<void> {
  const { executors, executions, cursors, repaired, clearedBefore, rows, overlapMs } = options

  const repair = async (page: readonly { id: string; seq: number; changedAt: number }[]) => {
    const own = await executions.seqs(page.map((row) => row.id))
    const oldest = clearedBefore()
    const isBehind = (row: (typeof page)[number], seq: number | undefined) =>
      seq === undefined ? row.changedAt >= oldest : seq < row.seq
    const behind = page.filter((row, place) => isBehind(row, own[place])).map((row) => row.id)
    for (let from = 0; from < behind.length; from += fetchLimit) {
      const fetched = await executors.fetch(behind.slice(from, from + fetchLimit))
      await executions.keep(fetched)
      repaired.inc({}, fetched.length)
    }
  }

  return async () => {
    const cursor = await cursors.read(cursorName)
    let place = { since: Math.max(0, cursor - overlapMs), after: 0 }
    let newest = cursor
    for (;;) {
      const page = await executors.changes({ ...place, limit: rows })
      await repair(page)
      const last = page.at(-1)
      if (last) {
        place = { since: last.changedAt, after: last.n }
        newest = Math.max(newest, last.changedAt)
      }
      if (page.length < rows) break
    }
    if (newest > cursor) await cursors.write(cursorName, newest)
  }
}
