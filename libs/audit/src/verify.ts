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

/** Stands for a seal that is gone, in a log that has none any more. */
function goneSeal(no: number): Seal {
  return { no, first: 0, last: 0, count: 0, firstAt: 0, lastAt: 0, previous: '', hash: '' }
}

/**
 * Why a check cannot go on after the seal `after`, which an earlier step has found and which is not stored any more. Null where
 * retention has removed it: retention removes the oldest seals and leaves none before them, and never removes the newest. `next`: the
 * first seal after it.
 */
async function findGap(store: AuditStore, after: number, next: Seal | undefined): Promise<BrokenSeal | null> {
  const [oldest] = await store.listSeals(0, 1)
  if (next && oldest && oldest.no >= next.no) return null
  return { seal: next ?? (await store.newestSeal()) ?? goneSeal(after), reason: 'missing-seal' }
}

/**
 * Checks the seals after the number `after`, within the bounds. From 0 on the oldest stored seal begins the chain; later steps
 * go on at a seal that was checked before.
 */
export async function verifyStep(store: AuditStore, after: number, bounds: VerifyBounds): Promise<Verified> {
  const found = await store.listSeals(Math.max(0, after - 1), bounds.seals + (after > 0 ? 2 : 1))
  let before = after > 0 && found[0]?.no === after ? (found.shift() ?? null) : null
  const gap = after > 0 && before === null ? await findGap(store, after, found[0]) : null
  if (gap) return { seals: 0, rows: 0, from: null, to: null, broken: gap, next: null }
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
