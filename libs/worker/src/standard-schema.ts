/**
 * As much as is needed here of the Standard Schema and Standard JSON Schema interfaces (standardschema.dev), which zod,
 * valibot, arktype and others implement. Their authors ask for copies like this one instead of a dependency.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
    readonly jsonSchema?: {
      readonly input: (options: { readonly target: string }) => Record<string, unknown>
      readonly output: (options: { readonly target: string }) => Record<string, unknown>
    }
  }
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** One thing that does not fit; `path` leads to it. */
export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export type InputOf<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input']
export type OutputOf<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output']

/** All issues as one text, each with its path: `rows.2.price: must be a number`. */
export function describeIssues(issues: readonly SchemaIssue[], root = 'params'): string {
  const nameOf = (part: PropertyKey | { readonly key: PropertyKey }) =>
    String(typeof part === 'object' ? part.key : part)
  return issues.map(({ path = [], message }) => `${path.map(nameOf).join('.') || root}: ${message}`).join('; ')
}

const anyObject = { type: 'object', additionalProperties: true }

/**
 * The JSON Schema (2020-12) of what a schema takes or gives. A schema that has none (its library cannot tell, or a part of it
 * has no counterpart) counts as `otherwise`; what it refuses is then found when the job runs.
 */
export function jsonSchemaOf(
  schema: StandardSchema,
  side: 'input' | 'output',
  otherwise: Record<string, unknown> = anyObject,
): Record<string, unknown> {
  try {
    return schema['~standard'].jsonSchema?.[side]({ target: 'draft-2020-12' }) ?? otherwise
  } catch {
    return otherwise
  }
}
