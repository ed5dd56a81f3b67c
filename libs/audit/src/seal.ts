import { hash } from 'node:crypto'
import type { auditBreaks } from '@belfry/contracts'
import { type AuditRow, rowText } from './row.ts'

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

const begin = '0'.repeat(64)

function hashOf(previous: string, rows: readonly AuditRow[]): string {
  return hash('sha256', [previous, ...rows.map(rowText)].join('\n'), 'hex')
}

/** The seal over rows in the order of their numbers, one at least, which stand after those of the seal `before`. */
export function sealOf(before: Seal | null, rows: readonly AuditRow[]): Seal {
  const [first, last] = [rows[0], rows.at(-1)]
  if (!first || !last) throw new Error('a seal covers one row at least')
  const previous = before?.hash ?? begin
  return {
    no: (before?.no ?? 0) + 1,
    ...{ first: first.n, last: last.n, count: rows.length, firstAt: first.at, lastAt: last.at },
    ...{ previous, hash: hashOf(previous, rows) },
  }
}

/** Why a seal and its rows do not belong together. */
export type Break = (typeof auditBreaks)[number]

/**
 * Null when the seal follows `before` and covers exactly these rows, which are all that stand after the rows of `before` up to
 * its own last one. `before` is null for the oldest seal that is stored: retention may have removed those before it, so that its
 * `previous` is taken as it is, unless it is the very first one.
 */
export function findBreak(before: Seal | null, seal: Seal, rows: readonly AuditRow[]): Break | null {
  if (before && seal.no !== before.no + 1) return 'missing-seal'
  if (before ? seal.previous !== before.hash : seal.no === 1 && seal.previous !== begin) return 'other-chain'
  if (rows.length < seal.count) return 'missing-rows'
  if (rows.length > seal.count) return 'added-rows'
  const [first, last] = [rows[0], rows.at(-1)]
  const isWhole =
    first?.n === seal.first && last?.n === seal.last && first.at === seal.firstAt && last.at === seal.lastAt
  return isWhole && hashOf(seal.previous, rows) === seal.hash ? null : 'changed-rows'
}
