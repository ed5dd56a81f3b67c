import type { Database } from '@belfry/storage/sqlite'
import type { ExecutorStore } from '../ports.ts'

/** The executors in SQLite: a handful of rows. */
export function createExecutorStore(db: Database): ExecutorStore {
  const enlist = db.statement(`INSERT INTO executors (instance, beat, address, gone) VALUES (?, 0, ?, 0)
    ON CONFLICT (instance) DO NOTHING`)
  const beat = db.statement('UPDATE executors SET beat = beat + 1 WHERE instance = ? AND gone = 0')
  const all = db.statement('SELECT instance, beat, gone FROM executors')
  const markGone = db.statement('UPDATE executors SET gone = 1 WHERE instance = ? AND beat = ? AND gone = 0')
  const removeOthers = db.statement('DELETE FROM executors WHERE instance <> ?')
  const remove = db.statement('DELETE FROM executors WHERE instance = ?')

  return {
    async enlist(instance, address) {
      await db.write('executors.enlist', [{ statement: enlist, params: [instance, address] }])
    },
    async beat(instance) {
      const [result] = await db.write('executors.beat', [{ statement: beat, params: [instance] }])
      return result?.changes === 1
    },
    async list() {
      const rows = await db.read(all, [])
      return rows.map((row) => ({ instance: row[0] as string, beat: row[1] as number, gone: row[2] === 1 }))
    },
    async markGone(row) {
      const [result] = await db.write('executors.gone', [{ statement: markGone, params: [row.instance, row.beat] }])
      return result?.changes === 1
    },
    async removeOthers(instance) {
      await db.write('executors.takeover', [{ statement: removeOthers, params: [instance] }])
    },
    async remove(instance) {
      await db.write('executors.leave', [{ statement: remove, params: [instance] }])
    },
  }
}
