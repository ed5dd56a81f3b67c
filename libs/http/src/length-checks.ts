import type { z } from 'zod'

interface Known {
  readonly _zod: { readonly def: { check?: string; when?: (payload: { value: unknown }) => boolean } }
}

const lengthChecks = new Set(['max_length', 'min_length', 'length_equals'])

function hasLength({ value }: { value: unknown }): boolean {
  return typeof value === 'string' || Array.isArray(value)
}

/** What has been visited, of all schemas: those of a service share their parts. */
const seen = new WeakSet<object>()

function isKnown(part: unknown): part is Known {
  return typeof part === 'object' && part !== null && '_zod' in part
}

/**
 * Makes the checks of length in a schema look at texts and lists only. zod asks them about anything that has a `length`,
 * even when its type is wrong: about `{"length": 999}` too, which is no text and so cannot be too long, and about
 * `{"length": {"toString": 1}}`, at which its comparison throws.
 */
export function guardLengthChecks(schema: z.core.$ZodType): void {
  const visit = (part: unknown): void => {
    if (typeof part !== 'object' || part === null || seen.has(part)) return
    seen.add(part)
    const def = isKnown(part) ? part._zod.def : undefined
    if (def && lengthChecks.has(def.check ?? '')) def.when = hasLength
    for (const inner of Object.values(def ?? part)) visit(inner)
  }
  visit(schema)
}
