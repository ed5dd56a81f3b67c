import * as contracts from '@belfry/contracts'
import { readJsonBody } from '@belfry/http'
import { z } from 'zod'
import { createRandom } from '../random.ts'
import type { FuzzTarget } from './campaign.ts'
import { bytesOf, type ContractInput, createContractInputs } from './contract-inputs.ts'

/** All schemas of the contracts: of bodies, messages and what is stored. */
const schemas = Object.entries(contracts as Record<string, unknown>).flatMap(([name, one]) =>
  one instanceof z.ZodType ? [[name, one] as const] : [],
)

/** Reads a text by the parser of bodies, then by the one of stored JSON, and what they give by the schema. */
export function createStoredTarget(): FuzzTarget<ContractInput> {
  const draws = schemas.map(([name, schema]) => createContractInputs(name, schema))
  const byName = new Map(schemas.map(([name, schema]) => [name, contracts.tolerant(schema)]))
  const read = (parse: () => unknown) => {
    try {
      return { value: parse() }
    } catch (error) {
      // A text that is no JSON is refused with these two; anything else is a fault of the parser.
      if (error instanceof SyntaxError || (error as Error).name === 'MalformedBody') return undefined
      throw error
    }
  }
  return {
    name: 'stored',
    draw(seed) {
      const random = createRandom(seed)
      return random.oneOf(draws)(random)
    },
    run(input) {
      const bytes = bytesOf(input)
      for (const found of [read(() => readJsonBody(bytes)), read(() => JSON.parse(bytes.toString()))]) {
        if (found) byName.get(input.name)?.safeParse(found.value)
      }
      return ({} as { isAdmin?: unknown }).isAdmin === undefined ? undefined : 'the prototype of objects was changed'
    },
  }
}
