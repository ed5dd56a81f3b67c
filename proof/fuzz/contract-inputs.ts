import { z } from 'zod'
import type { Random } from '../random.ts'
import { createValues, type JsonSchema } from './json-values.ts'
import { mutateText, mutateValue } from './mutations.ts'

/** A value of a schema of ours as it came over a wire: its text, or bytes as base64. */
export interface ContractInput {
  readonly name: string
  readonly class: 'valid' | 'near' | 'hostile'
  readonly text?: string
  readonly base64?: string
}

/** The bytes that came. */
export const bytesOf = ({ text, base64 = '' }: ContractInput) =>
  text === undefined ? Buffer.from(base64, 'base64') : Buffer.from(text)

/** Draws what fits a zod schema, or nearly does; definitions that a schema repeats are looked up in it. */
export function createContractInputs(
  name: string,
  schema: z.ZodType,
  mend: (value: unknown) => unknown = (one) => one,
) {
  const json = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as JsonSchema & {
    readonly $defs?: Readonly<Record<string, JsonSchema>>
  }
  const draw = createValues((ref) => (ref === '#' ? json : (json.$defs?.[ref.split('/').pop() ?? ''] ?? {})))
  return (random: Random): ContractInput => {
    const value = mend(draw(json, random))
    const share = random.fraction()
    if (share < 0.35) return { name, class: 'valid', text: JSON.stringify(value) }
    if (share < 0.75) return { name, class: 'near', text: JSON.stringify(mutateValue(value, random)) ?? '' }
    const changed = mutateText(JSON.stringify(value), random)
    return typeof changed === 'string'
      ? { name, class: 'hostile', text: changed }
      : { name, class: 'hostile', base64: changed.toString('base64') }
  }
}
