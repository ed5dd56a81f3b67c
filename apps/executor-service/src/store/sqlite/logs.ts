import { type ExecutionState, executionStates } from '@belfry/contracts'
import type { Database } from '@belfry/storage/sqlite'
import type { LogEntry, LogStore } from '../ports.ts'

/** The logs in SQLite: a row holds the lines that an attempt wrote between two flushes, mostly all of them. */
export function createLogStore(db: Database): LogStore {
  const append = db.statement('INSERT INTO logs (execution, epoch, lastSeq, at, lines) VALUES (?, ?, ?, ?, ?)')
  const page = db.statement(`SELECT epoch, lines FROM logs
    WHERE execution = ? AND (epoch, lastSeq) > (?, ?) AND epoch <= ? ORDER BY epoch, lastSeq LIMIT ?`)
  const oldest = db.statement(`SELECT l.n, l.at, e.state, e.changedAt FROM logs l JOIN executions e ON e.n = l.execution
    WHERE l.n > ? ORDER BY l.n LIMIT ?`)
  const purge = db.statement('DELETE FROM logs WHERE n = ? RETURNING n')

  return {
    async append(chunks) {
      const rows = chunks.map(({ rowId, epoch, lines }) => [
        rowId,
        epoch,
        lines.at(-1)?.seq ?? 0,
        lines.at(-1)?.at ?? 0,
        JSON.stringify(lines),
      ])
      await db.writeEach('logs.append', append, rows)
    },
    async list(rowId, { after, epoch, limit }) {
      // A chunk holds at least one line, so that many chunks hold enough of them.
      const from = epoch !== null && after.epoch < epoch ? { epoch, seq: 0 } : after
      const rows = await db.read(page, [rowId, from.epoch, from.seq, epoch ?? Number.MAX_SAFE_INTEGER, limit])
      return rows
        .flatMap((row) =>
          (JSON.parse(row[1] as string) as LogEntry[]).map((one) => ({ ...one, epoch: row[0] as number })),
        )
        .filter((one) => one.epoch > from.epoch || one.seq > from.seq)
        .slice(0, limit)
    },
    async listOldest(after, limit) {
      const rows = await db.read(oldest, [after, limit])
      return rows.map((row) => {
        const [n, at, state, changedAt] = row as [number, number, number, number]
        return { rowId: n, at, state: executionStates[state] as ExecutionState, changedAt }
      })
    },
    async purgeMany(rows) {
      const gone = await db.writeEach(
        'logs.purge',
        purge,
        rows.map((n) => [n]),
      )
      return gone.filter((row) => row !== undefined).length
    },
  }
}
