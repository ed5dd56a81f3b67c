import type { Topic } from '@belfry/contracts'
import type { RowKey } from './backlog.ts'
import type { RelaySource } from './relay.ts'

/**
 * The source of a relay that is one of several on the same store. Another instance publishes what it has written by itself, a moment
 * later; so a sweep takes only what the sweep before it has found too. A page that is cut by its bounds is a backlog, which
 * is taken at once. `isSole`: no other instance uses the store, and everything is taken.
 */
export function createSharedSource<T extends Topic, K extends RowKey>(
  source: RelaySource<T, K>,
  isSole: () => boolean,
): RelaySource<T, K> {
  let found = new Set<K>()
  return {
    markPublished: source.markPublished,
    async readUnpublished(limit, bytes) {
      const page = await source.readUnpublished(limit, bytes)
      if (page.hasMore || isSole()) return page
      const before = found
      found = new Set(page.rows.map(({ rowId }) => rowId))
      return { rows: page.rows.filter(({ rowId }) => before.has(rowId)), hasMore: false }
    },
  }
}
