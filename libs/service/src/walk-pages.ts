/**
 * Walks over a paged list for ever: each call reads the next page, and the call after the last page begins again.
 * `isMore`: pages follow in this walk. A call that fails leaves the position, so the next call reads the same page.
 * One call at a time.
 */
export function walkPages<Row, C>(
  read: (after: C | null) => Promise<{ rows: readonly Row[]; next: C | null }>,
): () => Promise<{ rows: readonly Row[]; isMore: boolean }> {
  let after: C | null = null
  return async () => {
    const { rows, next } = await read(after)
    after = next
    return { rows, isMore: next !== null }
  }
}

/**
 * Decides whether a walk that removes rows reads its next page at once: after a page of which something was removed, and after
 * `pages` pages in a row without. Otherwise the walk goes on with the next turn of its loop, so that a table in which nothing is
 * old costs little, and one with much to remove is not bounded to one page a turn.
 */
export function createWalkPace(pages: number): (page: { readonly isMore: boolean }, removed: number) => boolean {
  let idlePages = 0
  return ({ isMore }, removed) => {
    idlePages = removed > 0 ? 0 : idlePages + 1
    if (isMore && idlePages < pages) return true
    idlePages = 0
    return false
  }
}
