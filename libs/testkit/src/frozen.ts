/**
 * The value with all that it holds frozen: a store of documents hands it out as often as it likes without a copy, and a caller that
 * changes it gets a `TypeError`. Bytes are left as they are.
 */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) frozen(inner)
  return value
}
