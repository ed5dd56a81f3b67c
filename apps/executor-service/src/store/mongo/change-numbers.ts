import { changeNumberMaxAgeMs } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { afterOthers, type Collection, type MongoDatabase, where } from '@belfry/storage/mongo'
import type { ExecutionRecord } from './records.ts'

/** How often records are given other numbers while each write takes too long. */
const mostTries = 3

/** Change numbers for writes of executions (contracts, `changesQuery`). */
export interface ChangeNumbers {
  /** The newest number handed out. */
  newest(): Promise<number>
  /**
   * Takes `count` numbers in a row, of which `write` gets the first, and gives the records that `write` answers with numbers once
   * more when it took longer than a number may be old. `ids`: of the records that `write` has changed, by their numbers' offsets.
   */
  give<R>(count: number, write: (first: number) => Promise<R>, changedIds: (result: R) => readonly string[]): Promise<R>
}

export function createChangeNumbers(
  db: MongoDatabase,
  executions: Collection<ExecutionRecord>,
  clock: Clock,
): ChangeNumbers {
  const name = 'executions'
  const take = async (count: number) => (await db.nextNumbers(name, count)) - count + 1

  /** A record that has changed meanwhile has a newer number than these already. */
  async function giveAgain(ids: readonly string[], before: number): Promise<void> {
    let oldest = before
    for (let left = mostTries; left > 0; left -= 1) {
      const begin = clock.monotonic()
      const first = await take(ids.length)
      const changes = ids.map((id, index) => ({
        id,
        guard: { changeNo: where({ $lt: oldest }) },
        update: { $set: { changeNo: first + index } },
      }))
      await executions.updateEach('executions.renumber', changes)
      if (clock.monotonic() - begin <= changeNumberMaxAgeMs) return
      oldest = first + ids.length
    }
  }

  return {
    newest: () => db.newestNumber(name),
    async give(count, write, changedIds) {
      const begin = clock.monotonic()
      const first = await take(count)
      const result = await write(first)
      const isLate = clock.monotonic() - begin > changeNumberMaxAgeMs
      const ids = isLate ? changedIds(result) : []
      if (ids.length === 0) return result
      await giveAgain(ids, first + count).catch((error: unknown) => {
        throw afterOthers(error)
      })
      return result
    },
  }
}
