import { StorageError } from '../errors.ts'

/** The indexes of the rows by id: batches that lock rows in one order never wait for each other in a circle. */
function orderById(ids: readonly string[]): number[] {
  return ids
    .map((_, index) => index)
    .sort((a, b) => {
      const [left = '', right = ''] = [ids[a], ids[b]]
      return left < right ? -1 : left > right ? 1 : a - b
    })
}

/** The error of a call of which other parts are written: `unavailable` would say that nothing is. */
export function afterOthers(error: unknown): unknown {
  const isOfNone = error instanceof StorageError && (error.code === 'unavailable' || error.code === 'overloaded')
  return isOfNone ? new StorageError('outcome-unknown', error.message, { cause: error }) : error
}

/**
 * Works the rows off in the order of their ids, at most `limit` at a time; the answers stand in the order of the rows. A failure
 * of a later batch never claims that nothing was written.
 */
export async function inOrderOfIds<R, A>(
  rows: readonly R[],
  idOf: (row: R) => string,
  limit: number,
  work: (batch: readonly R[]) => Promise<readonly A[]>,
): Promise<A[]> {
  const order = orderById(rows.map(idOf))
  const answers = new Array<A>(rows.length)
  for (let at = 0; at < order.length; at += limit) {
    const indexes = order.slice(at, at + limit)
    const batch = indexes.map((index) => rows[index] as R)
    const done = await work(batch).catch((error: unknown) => {
      throw at === 0 ? error : afterOthers(error)
    })
    for (const [place, index] of indexes.entries()) answers[index] = done[place] as A
  }
  return answers
}

/** Waits for all of the calls. Rejects with the first failure, which never claims that nothing was written when some was. */
export async function side<A>(calls: readonly Promise<A>[]): Promise<A[]> {
  const settled = await Promise.allSettled(calls)
  const failed = settled.find((one) => one.status === 'rejected')
  if (!failed) return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  throw settled.some((one) => one.status === 'fulfilled') ? afterOthers(failed.reason) : failed.reason
}
