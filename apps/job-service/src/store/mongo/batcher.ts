import { StorageError } from '@belfry/storage'

/** Items that wait for a batch. */
const waitingLimit = 10_000

interface Waiting<I, O> {
  readonly item: I
  readonly resolve: (answer: O) => void
  readonly reject: (error: unknown) => void
}

/**
 * Makes batches of single items: while one batch is under way, what comes waits for the next one. `work` answers one entry for each
 * item; when it rejects, each item of the batch does. Beyond the limit of items that wait it rejects with `overloaded`.
 */
export function createBatcher<I, O>(
  batchLimit: number,
  work: (items: readonly I[]) => Promise<readonly O[]>,
): (item: I) => Promise<O> {
  let waiting: Waiting<I, O>[] = []
  let isUnderWay = false

  const run = async () => {
    isUnderWay = true
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchLimit)
      waiting = waiting.slice(batchLimit)
      try {
        const answers = await work(batch.map(({ item }) => item))
        for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as O)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    isUnderWay = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= waitingLimit)
        return reject(new StorageError('overloaded', `${waitingLimit} writes wait for the database`))
      waiting.push({ item, resolve, reject })
      // What comes in the same turn of the event loop is one batch.
      if (!isUnderWay) {
        isUnderWay = true
        setImmediate(() => void run())
      }
    })
}
