import type { AuditStore } from './port.ts'
import { type Break, findBreak, type Seal } from './seal.ts'

/** The first place at which the chain does not hold. */
export interface BrokenSeal {
  readonly seal: Seal
  readonly reason: Break
}

/** What one step has looked at. `next`: the number of the seal that the next step goes on after; null at the end of the chain. */
export interface Verified {
  readonly seals: number
  readonly rows: number
  /** The oldest seal that this step has checked, and the newest. */
  readonly from: Seal | null
  readonly to: Seal | null
  readonly broken: BrokenSeal | null
  readonly next: number | null
}

/** Bounds of one step: seals, and rows together. One seal is checked whatever its rows. */
export interface VerifyBounds {
  readonly seals: number
  readonly rows: number
}

/**
 * Checks the seals after the number `after`, within the bounds. From 0 on the oldest stored seal begins the chain; later steps
 * go on at a seal that was checked before.
 */
export async function verifyStep(store: AuditStore, after: number, bounds: VerifyBounds): Promise<Verified> {
  const found = await store.listSeals(Math.max(0, after - 1), bounds.seals + (after > 0 ? 2 : 1))
  let before = after > 0 && found[0]?.no === after ? (found.shift() ?? null) : null
  const from = found[0] ?? null
  const last = found.length > bounds.seals ? found[bounds.seals - 1] : found.at(-1)
  let [seals, rows] = [0, 0]
  for (const seal of found.slice(0, bounds.seals)) {
    if (rows >= bounds.rows) return { seals, rows, from, to: before, broken: null, next: before?.no ?? null }
    const lower = before?.last ?? seal.first - 1
    const covered = await store.readContent(lower, seal.last)
    seals += 1
    rows += covered.count
    const reason = findBreak(before, seal, covered)
    if (reason) return { seals, rows, from, to: seal, broken: { seal, reason }, next: null }
    before = seal
  }
  const hasMore = last !== undefined && found.length > bounds.seals
  return { seals, rows, from, to: before, broken: null, next: hasMore ? last.no : null }
}
