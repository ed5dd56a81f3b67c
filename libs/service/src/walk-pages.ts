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
