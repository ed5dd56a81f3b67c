import { createStepCheck } from '../steps.ts'
import type { Database } from './port.ts'

/** The database; a write whose verb is not one of `steps` is refused (`failed`). */
export function withSteps(db: Database, steps: readonly string[]): Database {
  const check = createStepCheck(steps)
  return {
    ...db,
    async write(verb, calls) {
      check(verb)
      return db.write(verb, calls)
    },
    async writeEach(verb, statement, rows) {
      check(verb)
      return db.writeEach(verb, statement, rows)
    },
    async insertEach(verb, statement, rows) {
      check(verb)
      return db.insertEach(verb, statement, rows)
    },
  }
}
