import type { RouteOptions } from 'fastify'
import type { z } from 'zod'
import { emptyBody, noQuery } from '../routes.ts'
import { answersOf, pascal, type RefusalComponents, type RouteForm } from './answers.ts'
import { requestHeaders } from './header-texts.ts'
import type { RequestHeader } from './route-texts.ts'
import type { JsonSchema, SchemaComponents } from './schema-components.ts'

/** The parts of a document that its operations share. */
export interface Components {
  readonly schemas: SchemaComponents
  readonly refusals: RefusalComponents
}

/** `/jobs/:id` as OpenAPI writes it. */
export function pathOf(url: string): string {
  return url.replaceAll(/:(\w+)/g, '{$1}')
}

type Parameter = Record<string, unknown>

/** One parameter for each field of the schema, with the field's text. */
function parametersOf(place: 'path' | 'query', { properties = {}, required = [] }: JsonSchema): Parameter[] {
  return Object.entries(properties).map(([name, { description, examples, ...schema }]) => ({
    name,
    in: place,
    required: place === 'path' || (required.includes(name) && schema.default === undefined),
    ...(description === undefined ? {} : { description }),
    ...(Array.isArray(examples) ? { example: examples[0] } : {}),
    // Lists in a query are one text with commas between.
    ...(schema.type === 'array' ? { style: 'form', explode: false } : {}),
    schema,
  }))
}

function headerRefs(names: readonly RequestHeader[]): Parameter[] {
  return names.map((name) => ({ $ref: `#/components/parameters/${requestHeaders[name].name}` }))
}

/** The schema without null, and whether there may be no body. */
function optionalBody(schema: JsonSchema): { schema: JsonSchema; required: boolean } {
  const { anyOf, ...rest } = schema
  const others = anyOf?.filter(({ type }) => type !== 'null') ?? []
  const isNullable = anyOf !== undefined && others.length < anyOf.length
  if (!isNullable) return { schema, required: true }
  const [only] = others
  return { schema: others.length === 1 && only ? { ...rest, ...only } : { ...rest, anyOf: others }, required: false }
}

function requestBodyOf({ schema: route }: RouteForm, schemas: SchemaComponents) {
  const name = route.operationId && `${pascal(route.operationId)}Body`
  const { schema, required } = optionalBody(schemas.add(route.body as z.core.$ZodType, 'input', name))
  const content = { schema, ...(route.examples ? { examples: route.examples } : {}) }
  const types = route.consumes ?? ['application/json']
  return { required, content: Object.fromEntries(types.map((type) => [type, content])) }
}

const accessTexts: Readonly<Record<string, string>> = {
  public: 'Needs no token.',
  viewer: 'Every user may call it.',
  user: 'Needs the role `user` or a higher one.',
  operator: 'Needs the role `operator` or `admin`.',
  admin: 'Needs the role `admin`.',
}

/** The operation of a route: what it takes, what it answers, and why it refuses. */
export function operationOf(route: RouteOptions, method: string, { schemas, refusals }: Components) {
  const schema = route.schema ?? {}
  const access = route.config?.access
  const { body, querystring, params } = schema as Record<string, z.core.$ZodType | undefined>
  const hasBody = body !== undefined && body !== emptyBody
  const form: RouteForm = { access, method, hasBody, hasParams: route.url.includes(':'), schema }
  const parameters = [
    ...(params ? parametersOf('path', schemas.add(params, 'input')) : []),
    ...(querystring && querystring !== noQuery ? parametersOf('query', schemas.add(querystring, 'input')) : []),
    ...headerRefs(schema.requestHeaders ?? []),
  ]
  const { operationId, tags, summary, description } = schema
  const texts = [description, accessTexts[String(access)]].filter((one) => one !== undefined)
  return {
    ...(operationId ? { operationId } : {}),
    ...(tags ? { tags: [...tags] } : {}),
    ...(summary ? { summary } : {}),
    description: texts.join('\n\n'),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(hasBody ? { requestBody: requestBodyOf(form, schemas) } : {}),
    responses: answersOf(form, schemas, refusals),
    security: access === 'public' ? [] : [{ token: [] }],
  }
}
