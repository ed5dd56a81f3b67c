/** A position in an order of change: behind the row `n` of that time. Row numbers begin at 1. */
export type ChangePosition = readonly [changedAt: number, n: number]

const pattern = /^(\d{1,15})\.(\d{1,15})$/

/** The text that continues a list in order of change after this row. */
export function changeCursor(changedAt: number, n: number): string {
  return `${changedAt}.${n}`
}

/** The position that a list begins after; null when the cursor is no text of `changeCursor`. */
export function readChangePosition({
  since,
  cursor,
}: {
  since: number
  cursor?: string | undefined
}): ChangePosition | null {
  if (cursor === undefined) return [since, 0]
  const [, changedAt, n] = pattern.exec(cursor) ?? []
  return changedAt === undefined ? null : [Number(changedAt), Number(n)]
}
