import { type Call, createChangeNumbers, type Database, type SqlRow } from '@belfry/storage/sqlite'
import type { AuditStore } from './port.ts'
import type { AuditOutcome, AuditRow, NewAuditRow, Via } from './row.ts'
import type { Seal } from './seal.ts'

/**
 * The tables, for a migration of every service that records requests. A request pays for one row at the end of one table: the two
 * indexes hold frozen rows only, so that they are written in batches; younger rows are few and are searched one by one.
 */
export const auditTables = `
  CREATE TABLE audit (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    status INTEGER,
    version INTEGER,
    isFrozen INTEGER,
    actor TEXT,
    actorName TEXT,
    action TEXT NOT NULL,
    target TEXT,
    also TEXT,
    about TEXT NOT NULL
  ) STRICT;
  CREATE INDEX auditByActor ON audit (actor, n) WHERE isFrozen = 1;
  CREATE INDEX auditByTarget ON audit (target, n) WHERE isFrozen = 1 AND target IS NOT NULL;
  CREATE TABLE auditSeals (
    no INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    firstAt INTEGER NOT NULL,
    lastAt INTEGER NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
`

type About = [via: Via, requestId: string, address: string | null]

const columns = 'n, at, status, version, actor, actorName, action, target, also, about'
type Row = [
  n: number,
  at: number,
  status: number | null,
  version: number | null,
  actorId: string | null,
  actorName: string | null,
  action: string,
  target: string | null,
  also: string | null,
  about: string,
]

function readRow(row: SqlRow): AuditRow {
  const [n, at, status, version, actorId, actorName, action, target, also, about] = row as unknown as Row
  const [via, requestId, address] = JSON.parse(about) as About
  const others = also === null ? [] : (JSON.parse(also) as string[])
  return { n, at, actorId, actorName, via, action, target, also: others, version, status, requestId, address }
}

function rowParams(
  n: number,
  { at, actorId, actorName, via, action, target, requestId, address }: NewAuditRow,
): SqlRow {
  return [n, at, actorId, actorName, action, target, JSON.stringify([via, requestId, address] satisfies About)]
}

function outcomeParams({ n, actor, status, target, also, version }: AuditOutcome): SqlRow {
  const others = also.length > 0 ? JSON.stringify(also) : null
  return [status, version, target, others, actor?.id ?? null, actor?.name ?? null, n]
}

const sealColumns = 'no, first, last, count, firstAt, lastAt, previous, hash'

function readSeal(row: SqlRow): Seal {
  type SealRow = [number, number, number, number, number, number, string, string]
  const [no, first, last, count, firstAt, lastAt, previous, hash] = row as unknown as SealRow
  return { no, first, last, count, firstAt, lastAt, previous, hash }
}

/** Rows that are frozen stand before those that are not; each of the two parts is searched by what serves it. */
function prepareList(db: Database) {
  const select = (where: string) => db.statement(`SELECT ${columns} FROM audit WHERE ${where} ORDER BY n DESC LIMIT ?`)
  const open = `+isFrozen IS NULL AND n < ?
    AND n > coalesce((SELECT last FROM auditSeals WHERE no > 0 ORDER BY no DESC LIMIT 1), 0)`
  return {
    all: select('n < ?'),
    actor: { open: select(`${open} AND actor = ?`), frozen: select('isFrozen = 1 AND n < ? AND actor = ?') },
    target: { open: select(`${open} AND target = ?`), frozen: select(`isFrozen = 1 AND n < ? AND target = ?`) },
    both: {
      open: select(`${open} AND actor = ? AND target = ?`),
      frozen: select(`isFrozen = 1 AND n < ? AND actor = ? AND target = ?`),
    },
  }
}

/** `AuditStore` on the tables of `auditTables`. The thread works calls off in their order, so numbers are stored in order. */
export function createAuditStore(db: Database): AuditStore {
  const numbers = createChangeNumbers(db, 'SELECT max(n) FROM audit')
  const insert = db.statement(
    'INSERT INTO audit (n, at, actor, actorName, action, target, about) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const outcome = db.statement(`UPDATE audit SET status = ?, version = ?, target = ?, also = ?,
      actor = coalesce(?, actor), actorName = coalesce(?, actorName)
    WHERE n = ? AND status IS NULL AND isFrozen IS NULL`)
  const lists = prepareList(db)
  const head = db.statement('SELECT max(n) FROM audit')
  const peek = db.statement(`SELECT count(*), max(n), min(at) FROM (SELECT n, at FROM audit
    WHERE n > ?1 AND n <= ?2 AND n < coalesce(
      (SELECT n FROM audit WHERE n > ?1 AND n <= ?2 AND status IS NULL AND at > ?3 ORDER BY n LIMIT 1), ?2 + 1)
    ORDER BY n LIMIT ?4)`)
  const content = db.statement(`SELECT count(*), min(n), max(n), min(at), max(at), group_concat(line, char(10)) FROM (
    SELECT n, at, json_array(n, at, status, version, actor, actorName, action, target, also, about) AS line
    FROM audit WHERE n > ? AND n <= ? ORDER BY n)`)
  const freeze = db.statement('UPDATE audit SET isFrozen = 1 WHERE n > ? AND n <= ? AND isFrozen IS NULL')
  const newest = db.statement(`SELECT ${sealColumns} FROM auditSeals WHERE no > 0 ORDER BY no DESC LIMIT 1`)
  const seals = db.statement(`SELECT ${sealColumns} FROM auditSeals WHERE no > ? ORDER BY no LIMIT ?`)
  const insertSeal = db.statement(`INSERT INTO auditSeals (${sealColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING`)
  const removeRows = db.statement('DELETE FROM audit WHERE n <= ?')
  const removeSeals = db.statement('DELETE FROM auditSeals WHERE no <= ?')

  return {
    settleMs: 0,
    async append(row) {
      const opened = numbers.opened()
      if (opened) await opened
      const n = numbers.take()
      await db.writeEach('audit.append', insert, [rowParams(n, row)])
      return n
    },
    async complete(outcomes) {
      await db.writeEach('audit.complete', outcome, outcomes.map(outcomeParams))
    },
    async list({ actorId, target }, before, limit) {
      const below = before ?? Number.MAX_SAFE_INTEGER
      if (actorId === undefined && target === undefined) return (await db.read(lists.all, [below, limit])).map(readRow)
      const whose = [actorId, target].filter((one) => one !== undefined)
      const list = actorId === undefined ? lists.target : target === undefined ? lists.actor : lists.both
      const [open, frozen] = await Promise.all([
        db.read(list.open, [below, ...whose, limit]),
        db.read(list.frozen, [below, ...whose, limit]),
      ])
      return [...open, ...frozen]
        .map(readRow)
        .sort((a, b) => b.n - a.n)
        .slice(0, limit)
    },
    async head() {
      const [row] = await db.read(head, [])
      return Number(row?.[0] ?? 0)
    },
    async peek(after, upTo, openSince, limit) {
      const [row] = await db.read(peek, [after, upTo, openSince, limit])
      const [count, last, oldestAt] = row as [number, number, number]
      return count === 0 ? null : { count, last, oldestAt }
    },
    async readContent(after, upTo) {
      const [row] = await db.read(content, [after, upTo])
      type Content = [count: number, first?: number, last?: number, firstAt?: number, lastAt?: number, text?: string]
      const [count, first, last, firstAt, lastAt, text] = row as unknown as Content
      const ends = { first: first ?? 0, last: last ?? 0, firstAt: firstAt ?? 0, lastAt: lastAt ?? 0 }
      return { count, ...ends, text: text ?? '' }
    },
    async freeze(after, upTo) {
      await db.write('audit.freeze', [{ statement: freeze, params: [after, upTo] }])
    },
    async newestSeal() {
      const [row] = await db.read(newest, [])
      return row ? readSeal(row) : null
    },
    async insertSeal({ no, first, last, count, firstAt, lastAt, previous, hash }) {
      const params = [no, first, last, count, firstAt, lastAt, previous, hash]
      const [result] = await db.write('audit.seal', [{ statement: insertSeal, params }])
      return result?.changes === 1
    },
    async listSeals(after, limit) {
      return (await db.read(seals, [after, limit])).map(readSeal)
    },
    async removeThrough({ no, last }) {
      const calls: Call[] = [
        { statement: removeRows, params: [last] },
        { statement: removeSeals, params: [no] },
      ]
      await db.write('audit.remove', calls)
    },
  }
}
