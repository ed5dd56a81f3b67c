import type { RequestRecord, StoredAnswer } from '@belfry/http'
import type { Database, SqlRow } from '@belfry/storage/sqlite'
import type { PurgedRequestStore } from '../ports.ts'

const columns = 'id, bodyHash, mintedId, madeAt, triedBy, triedAt, answer'

function readRecord(row: SqlRow): RequestRecord {
  type Row = [string, string, string, number, string, number, string | null]
  const [id, bodyHash, mintedId, madeAt, triedBy, triedAt, answer] = row as unknown as Row
  const stored = answer === null ? null : (JSON.parse(answer) as StoredAnswer)
  return { id, bodyHash, mintedId, madeAt, triedBy, triedAt, answer: stored }
}

/** `PurgedRequestStore` on the table `requests`. */
export function createRequestStore(db: Database): PurgedRequestStore {
  const dropOld = db.statement('DELETE FROM requests WHERE id = ? AND madeAt < ?')
  const insert = db.statement(`INSERT INTO requests (id, bodyHash, mintedId, madeAt, triedBy, triedAt)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
  const select = db.statement(`SELECT ${columns} FROM requests WHERE id = ?`)
  const retake = db.statement(`UPDATE requests SET triedBy = ?, triedAt = ?
    WHERE id = ? AND triedBy = ? AND triedAt = ? AND answer IS NULL RETURNING n`)
  const storeAnswer = db.statement(`UPDATE requests SET answer = ?
    WHERE id = ? AND triedBy = ? AND triedAt = ? AND answer IS NULL`)
  const remove = db.statement(`DELETE FROM requests
    WHERE id = ? AND triedBy = ? AND triedAt = ? AND answer IS NULL`)
  const purge = db.statement('DELETE FROM requests WHERE n IN (SELECT n FROM requests WHERE madeAt < ? LIMIT ?)')

  return {
    async insert(record, keptSince) {
      const { id, bodyHash, mintedId, madeAt, triedBy, triedAt } = record
      const [, inserted, found] = await db.write('requests.insert', [
        { statement: dropOld, params: [id, keptSince] },
        { statement: insert, params: [id, bodyHash, mintedId, madeAt, triedBy, triedAt] },
        { statement: select, params: [id] },
      ])
      const row = found?.rows[0]
      return inserted?.changes === 1 || !row ? undefined : readRecord(row)
    },
    async retake(found, triedBy, triedAt) {
      const params = [triedBy, triedAt, found.id, found.triedBy, found.triedAt]
      const [row] = await db.writeEach('requests.retake', retake, [params])
      return row !== undefined
    },
    async find(id) {
      const [row] = await db.read(select, [id])
      return row && readRecord(row)
    },
    async storeAnswer({ id, triedBy, triedAt }, answer) {
      const params = [JSON.stringify(answer), id, triedBy, triedAt]
      const [result] = await db.write('requests.settle', [{ statement: storeAnswer, params }])
      return result?.changes === 1
    },
    async removeIfUntouched({ id, triedBy, triedAt }) {
      await db.write('requests.remove', [{ statement: remove, params: [id, triedBy, triedAt] }])
    },
    async purge(before, limit) {
      const [result] = await db.write('requests.purge', [{ statement: purge, params: [before, limit] }])
      return (result?.changes ?? 0) === limit
    },
  }
}
