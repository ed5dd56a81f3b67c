import { randomBytes } from 'node:crypto'
import type { Update } from './filter.ts'

/** The field of every record that holds the tokens of its last batched writes: it tells which changes of a batch counted. */
export const tokensField = 'tokens'
/** Tokens a record keeps: so many later writes may come before a batch reads its own back. */
const tokensKept = 4

/** A token that no other write has. */
export const newToken = () => randomBytes(12).toString('base64url')

/** The update, which leaves the token in the record as well. */
export function withToken<T>(update: Update<T>, token: string): object {
  if (!Array.isArray(update)) {
    const operators = update as Exclude<Update<T>, readonly unknown[]>
    return { ...operators, $push: { ...operators.$push, [tokensField]: { $each: [token], $slice: -tokensKept } } }
  }
  const older = { $ifNull: [`$${tokensField}`, []] }
  return [...update, { $set: { [tokensField]: { $slice: [{ $concatArrays: [older, [token]] }, -tokensKept] } } }]
}
