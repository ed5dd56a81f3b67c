import { hash } from 'node:crypto'
import type { auditBreaks } from '@belfry/contracts'

/**
 * A seal over the rows with the numbers `first` to `last`. Its hash covers the seal before it, so that a change of one row changes
 * every later seal.
 */
export interface Seal {
  /** From 1, without a gap. */
  readonly no: number
  /** The numbers of its first and its last row. */
  readonly first: number
  readonly last: number
  readonly count: number
  /** When its first and its last row were made, epoch milliseconds. */
  readonly firstAt: number
  readonly lastAt: number
  /** The hash of the seal before it; 64 zeros for the first one. */
  readonly previous: string
  /** SHA-256 in hexadecimal digits, over `previous` and the rows. */
  readonly hash: string
}

/** What rows say, as their seal covers it. Each store makes its own text: one text for one content of all columns. */
export interface SealContent {
  readonly count: number
  /** The numbers of the first and the last row; 0 without rows. */
  readonly first: number
  readonly last: number
  /** When the oldest and the newest row were made, epoch milliseconds; 0 without rows. */
  readonly firstAt: number
  readonly lastAt: number
  readonly text: string
}

const begin = '0'.repeat(64)

function hashOf(previous: string, { text }: SealContent): string {
  return hash('sha256', `${previous}\n${text}`, 'hex')
}

/** The seal over rows, one at least, which stand after those of the seal `before`. */
export function sealOf(before: Seal | null, rows: SealContent): Seal {
  const { count, first, last, firstAt, lastAt } = rows
  if (count === 0) throw new Error('a seal covers one row at least')
  const previous = before?.hash ?? begin
  const no = (before?.no ?? 0) + 1
  return { no, first, last, count, firstAt, lastAt, previous, hash: hashOf(previous, rows) }
}

/** Why a seal and its rows do not belong together. */
export type Break = (typeof auditBreaks)[number]

/**
 * Null when the seal follows `before` and covers exactly these rows, which are all that stand after the rows of `before` up to
 * its own last one. `before` is null for the oldest seal that is stored: retention may have removed those before it, so that its
 * `previous` is taken as it is, unless it is the very first one.
 */
export function findBreak(before: Seal | null, seal: Seal, rows: SealContent): Break | null {
  if (before && seal.no !== before.no + 1) return 'missing-seal'
  if (before ? seal.previous !== before.hash : seal.no === 1 && seal.previous !== begin) return 'other-chain'
  if (rows.count < seal.count) return 'missing-rows'
  if (rows.count > seal.count) return 'added-rows'
  const names = ['first', 'last', 'firstAt', 'lastAt'] as const
  const isWhole = names.every((name) => rows[name] === seal[name])
  return isWhole && hashOf(seal.previous, rows) === seal.hash ? null : 'changed-rows'
}
