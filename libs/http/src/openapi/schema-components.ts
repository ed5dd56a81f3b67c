import { z } from 'zod'

/** JSON Schema 2020-12, as far as it is looked at here. */
export interface JsonSchema {
  $ref?: string
  type?: string
  description?: string
  properties?: Record<string, JsonSchema>
  required?: string[]
  anyOf?: JsonSchema[]
  [keyword: string]: unknown
}

/** Whether a schema stands for what callers send or for what they get: the two differ where a field has a default. */
type Direction = 'input' | 'output'

/** The limits that zod adds to every whole number. */
const safeBounds: Readonly<Record<string, number>> = {
  maximum: Number.MAX_SAFE_INTEGER,
  minimum: Number.MIN_SAFE_INTEGER,
}

/** Leaves out what says nothing to readers: bounds of doubles, and the expression of ISO times beside their format. */
function simplify({ jsonSchema }: { jsonSchema: JsonSchema }): void {
  for (const [keyword, bound] of Object.entries(safeBounds)) {
    if (jsonSchema[keyword] === bound) delete jsonSchema[keyword]
  }
  if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
}

/** Takes the definitions of a schema. */
type PutSchema = (id: string, schema: JsonSchema) => void

/** The schema with references into the document in place of those into its own definitions, which `put` gets, at any depth. */
function retarget<T>(value: T, put: PutSchema): T {
  if (Array.isArray(value)) return value.map((one) => retarget(one, put)) as T
  if (typeof value !== 'object' || value === null) return value
  const { $defs = {}, ...rest } = value as { readonly $defs?: Readonly<Record<string, JsonSchema>> }
  for (const [name, { id, ...one }] of Object.entries($defs)) put(name, retarget(one, put))
  const entries = Object.entries(rest).map(([name, one]: [string, unknown]) => {
    const isRef = name === '$ref' && typeof one === 'string'
    return [name, isRef ? one.replace('#/$defs/', '#/components/schemas/') : retarget(one, put)]
  })
  return Object.fromEntries(entries) as T
}

/** The schemas with an id of their own (`.meta({ id: 'Job' })`), each once, under `components.schemas`. */
export interface SchemaComponents {
  /**
   * The JSON Schema of a zod schema; what has an id in it becomes a reference. Throws when an id stands for two schemas: also when
   * one schema with defaults is sent and answered, since its fields are optional in one direction alone. `name`: of an object
   * without an id, so that the types of generated clients have names.
   */
  add(schema: z.core.$ZodType, direction: Direction, name?: string): JsonSchema
  /** By id, in the order of the alphabet. */
  all(): Record<string, JsonSchema>
}

export function createSchemaComponents(): SchemaComponents {
  const known = new Map<string, { text: string; schema: JsonSchema }>()

  const put: PutSchema = (id, schema) => {
    const text = JSON.stringify(schema)
    if ((known.get(id)?.text ?? text) !== text) throw new Error(`two schemas have the id ${id}`)
    known.set(id, { text, schema })
  }

  return {
    add(schema, direction, name) {
      const options = { io: direction, unrepresentable: 'any', override: simplify as never } as const
      const { $schema, ...json } = z.toJSONSchema(schema, options)
      const root = retarget(json as JsonSchema, put)
      if (name === undefined || root.type !== 'object') return root
      put(name, root)
      return { $ref: `#/components/schemas/${name}` }
    },
    all() {
      const sorted = [...known].sort(([a], [b]) => (a < b ? -1 : 1))
      return Object.fromEntries(sorted.map(([id, { schema }]) => [id, schema]))
    },
  }
}
