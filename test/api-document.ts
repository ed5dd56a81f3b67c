import type { Caller } from '../proof/caller.ts'

/** JSON Schema, as far as the tests look at it. */
export interface Schema {
  readonly $ref?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
}

interface Example {
  readonly summary?: string
  readonly value: unknown
}

interface Content {
  readonly schema?: Schema
  readonly examples?: Readonly<Record<string, Example>>
}

interface Parameter extends Schema {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly schema: Schema
}

interface Operation {
  readonly operationId?: string
  readonly tags?: readonly string[]
  readonly summary?: string
  readonly description?: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> }
  readonly responses: Readonly<
    Record<string, { readonly $ref?: string; readonly content?: Readonly<Record<string, Content>> }>
  >
  readonly security?: readonly unknown[]
}

export interface ApiDocument {
  readonly tags: readonly { readonly name: string; readonly description?: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** One operation with its address: `POST /jobs/{id}/pause`. */
export interface AddressedOperation {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

export async function readApiDocument(caller: Caller): Promise<ApiDocument> {
  return (await caller.call<ApiDocument>('GET', '/openapi.json')).body
}

export function operationsOf({ paths }: ApiDocument): AddressedOperation[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      const upper = method.toUpperCase()
      return { name: `${upper} ${path}`, method: upper, path, operation }
    }),
  )
}

/** What a reference of the document stands for. */
export function resolve<T>({ components }: ApiDocument, value: T & { readonly $ref?: string }): T {
  if (value.$ref === undefined) return value
  const [kind = '', name = ''] = value.$ref.slice('#/components/'.length).split('/')
  return components[kind]?.[name] as T
}
