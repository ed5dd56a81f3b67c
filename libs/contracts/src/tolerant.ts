import { z } from 'zod'

/** The parts of a schema's definition that hold other schemas. */
interface Parts {
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly element?: z.ZodType
  readonly innerType?: z.ZodType
  readonly options?: readonly z.ZodType[]
}

/** The same definition with `change` applied to the schemas in it; only the parts that are there. */
function changed({ shape, element, innerType, options }: Parts, change: (part: z.ZodType) => z.ZodType) {
  return {
    ...(shape && { shape: Object.fromEntries(Object.entries(shape).map(([name, part]) => [name, change(part)])) }),
    ...(element && { element: change(element) }),
    ...(innerType && { innerType: change(innerType) }),
    ...(options && { options: options.map(change) }),
  }
}

/**
 * The schema with objects that accept unknown fields and drop them, at every depth. For what a newer version may send: a
 * message on the bus, or the answer of another service during a rolling upgrade. Bodies that users send stay closed. Values
 * of free form (`jsonObject`, `z.unknown`) stay as they are.
 */
export function tolerant<T extends z.ZodType>(schema: T): T {
  const { def } = schema._zod
  const parts = changed(def as Parts, tolerant)
  if (Object.keys(parts).length === 0) return schema
  const open = schema instanceof z.ZodObject ? { catchall: undefined } : {}
  return schema.clone({ ...def, ...parts, ...open } as T['_zod']['def']) as T
}
