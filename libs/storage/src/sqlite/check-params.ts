import { StorageError } from '../errors.ts'
import type { SqlRow, SqlValue } from './port.ts'

function isSqlValue(value: unknown): value is SqlValue {
  switch (typeof value) {
    case 'string':
    case 'bigint':
      return true
    case 'number':
      return Number.isFinite(value)
    default:
      return value === null || value instanceof Uint8Array
  }
}

function nameOf(value: unknown): string {
  if (typeof value === 'object') return value?.constructor?.name ?? 'an object'
  return typeof value === 'function' || typeof value === 'symbol' ? `a ${typeof value}` : String(value)
}

/**
 * What the texts and bytes of the parameters take up: a text counts a byte a character. Throws a `StorageError` when one is
 * not what SQLite stores, naming it by its position.
 */
export function checkParams(sql: string, params: SqlRow): number {
  let bytes = 0
  for (let index = 0; index < params.length; index += 1) {
    const value = params[index]
    if (typeof value === 'string' || value instanceof Uint8Array) bytes += value.length
    if (isSqlValue(value)) continue
    const what = `parameter ${index + 1} of "${sql}" is ${nameOf(params[index])}`
    throw new StorageError('failed', `${what}: SQLite stores text, finite numbers, bytes and null`)
  }
  return bytes
}
