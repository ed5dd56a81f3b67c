/** What `work` makes of each item, in their order, at most `atWork` at a time. */
export async function inParts<T, R>(
  items: readonly T[],
  atWork: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const done: R[] = []
  for (let from = 0; from < items.length; from += atWork)
    done.push(...(await Promise.all(items.slice(from, from + atWork).map(work))))
  return done
}
