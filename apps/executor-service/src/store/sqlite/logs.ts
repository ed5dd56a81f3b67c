import { type ExecutionState, executionStates } from '@belfry/contracts'
import { type Database, nextOf } from '@belfry/storage/sqlite'
import type { LogChunkSummary, LogEntry, LogStore, RowId } from '../ports.ts'

/** The logs in SQLite: a row holds the lines that an attempt wrote between two flushes, mostly all of them. */
export function createLogStore(db: Database): LogStore {
  const append =
    db.statement(`INSERT INTO logs (execution, epoch, firstSeq, lastSeq, at, lines) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (execution, epoch, firstSeq) DO UPDATE SET lastSeq = excluded.lastSeq, at = excluded.at, lines = excluded.lines
    WHERE excluded.lastSeq > lastSeq`)
  // From the chunk on that holds the line after the cursor: the last one of its attempt that does not begin behind it.
  const list = db.statement(`SELECT epoch, lines FROM logs
    WHERE execution = ?1 AND (epoch, firstSeq) >= (?2, coalesce(
      (SELECT max(firstSeq) FROM logs WHERE execution = ?1 AND epoch = ?2 AND firstSeq <= ?3 + 1), 0)) AND epoch <= ?4
    ORDER BY epoch, firstSeq LIMIT ?5`)
  const oldest =
    db.statement(`SELECT l.n, l.at, e.state, e.changedAt FROM logs l LEFT JOIN executions e ON e.n = l.execution
    WHERE l.n > ? ORDER BY l.n LIMIT ?`)
  const purge = db.statement('DELETE FROM logs WHERE n = ? RETURNING n')

  return {
    async append(chunks) {
      const rows = chunks.map(({ rowId, epoch, lines }) => [
        rowId,
        epoch,
        lines[0]?.seq ?? 0,
        lines.at(-1)?.seq ?? 0,
        lines.at(-1)?.at ?? 0,
        JSON.stringify(lines),
      ])
      await db.writeEach('logs.append', append, rows)
    },
    async list(rowId, { after, epoch, limit }) {
      const from = epoch !== null && after.epoch < epoch ? { epoch, seq: 0 } : after
      // A chunk holds at least one line; the first one may hold none that is asked for.
      const rows = await db.read(list, [rowId, from.epoch, from.seq, epoch ?? Number.MAX_SAFE_INTEGER, limit + 1])
      return rows
        .flatMap((row) =>
          (JSON.parse(row[1] as string) as LogEntry[]).map((one) => ({ ...one, epoch: row[0] as number })),
        )
        .filter((one) => one.epoch > from.epoch || one.seq > from.seq)
        .slice(0, limit)
    },
    async listOldest(after, limit) {
      const rows = await db.read(oldest, [after ?? 0, limit])
      const summaries = rows.map((row): LogChunkSummary => {
        const [rowId, at, state, changedAt] = row as unknown as [RowId, number, number | null, number]
        const execution = state === null ? null : { state: executionStates[state] as ExecutionState, changedAt }
        return { rowId, at, execution }
      })
      return { rows: summaries, next: nextOf(rows, limit) }
    },
    async purgeMany(rowIds) {
      const gone = await db.writeEach(
        'logs.purge',
        purge,
        rowIds.map((rowId) => [rowId]),
      )
      return gone.filter((row) => row !== undefined).length
    },
  }
}
