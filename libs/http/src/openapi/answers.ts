import { type ErrorCode, problem, problems, type Role } from '@belfry/contracts'
import type { FastifySchema } from 'fastify'
import type { z } from 'zod'
import type { Access } from '../access.ts'
import { answerHeaders } from './header-texts.ts'
import type { AnswerHeader } from './route-texts.ts'
import type { JsonSchema, SchemaComponents } from './schema-components.ts'

interface Answer {
  readonly description: string
  readonly headers?: Record<string, { $ref: string }>
  readonly content?: Record<string, { schema: JsonSchema }>
}

/** What a route is, as far as its answers follow from it. */
export interface RouteForm {
  readonly access: Access | undefined
  readonly method: string
  readonly hasBody: boolean
  readonly hasParams: boolean
  readonly schema: FastifySchema
}

/** A route's answer that is no JSON of a zod schema: a file, a stream. */
interface ContentAnswer {
  readonly description: string
  readonly content: Record<string, { schema: z.core.$ZodType }>
}

const successTexts: Readonly<Record<number, string>> = {
  200: 'Done; the answer is whole.',
  201: 'Created.',
  202: 'Accepted; what was asked for goes on after the answer.',
  204: 'Done; the answer has no body.',
}

type HeaderName = keyof typeof answerHeaders

function headerRefs(names: readonly HeaderName[]): Record<string, { $ref: string }> {
  const refs = names.map((name) => [
    answerHeaders[name].name,
    { $ref: `#/components/headers/${answerHeaders[name].name}` },
  ])
  return Object.fromEntries(refs)
}

const isAboveViewer = (access: Access | undefined) =>
  (['user', 'operator', 'admin'] as readonly Role[]).includes(access as Role)

/** The codes that the form of a route makes possible, with those that the route names. */
function codesOf({ access, method, hasBody, hasParams, schema }: RouteForm): ErrorCode[] {
  const isRead = method === 'GET'
  const isOpen = access === 'public'
  const codes: ErrorCode[] = ['malformed-request']
  if (!isOpen) codes.push('unauthenticated', 'too-many-requests')
  if (isAboveViewer(access)) codes.push('forbidden')
  if (!isRead) codes.push('foreign-origin')
  if (hasParams) codes.push('not-found')
  if (hasBody) codes.push('too-large', 'unsupported-media-type')
  if (schema.requestHeaders?.includes('idempotency-key')) codes.push('request-in-flight', 'idempotency-key-reused')
  if (schema.requestHeaders?.includes('if-match')) codes.push('version-mismatch')
  codes.push('internal', 'unavailable')
  if (!isRead) codes.push('storage-full')
  return [...new Set([...codes, ...(schema.problems ?? [])])]
}

/** The answer of one status to calls that are refused with one of the codes. */
function refusalAnswer(status: number, codes: readonly ErrorCode[]): Answer {
  const waits = status === 429 || status === 503
  const names: HeaderName[] = [
    'x-request-id',
    ...(waits ? (['retry-after'] as const) : []),
    ...(status === 429 ? (['ratelimit-policy', 'ratelimit'] as const) : []),
    ...(status === 401 ? (['www-authenticate'] as const) : []),
  ]
  const listed = codes.map((code) => `- \`${code}\`: ${problems[code].title}`)
  const shape = {
    type: 'object',
    properties: { code: { type: 'string', enum: [...codes], description: 'One of the codes of this answer.' } },
  }
  const schema = { allOf: [{ $ref: '#/components/schemas/Problem' }, shape] }
  return {
    description: ['Refused, by `code`:', '', ...listed].join('\n'),
    headers: headerRefs(names),
    content: { 'application/problem+json': { schema } },
  }
}

/** `createJob` and `too-large` as names of components. */
export const pascal = (words: string) =>
  words.replaceAll(/(?:^|-)([a-z])/g, (_all, letter: string) => letter.toUpperCase())

/** Refusals under `components.responses`: those with the same codes are one. */
export interface RefusalComponents {
  add(status: number, codes: readonly ErrorCode[]): { $ref: string }
  all(): Record<string, Answer>
}

export function createRefusalComponents(schemas: SchemaComponents): RefusalComponents {
  const known = new Map<string, Answer>()
  const rest: Answer = {
    description:
      'Every other problem. Each address may also answer 408, 421, 431, 501, 502 and 504, with a body of the same form.',
    headers: headerRefs(['x-request-id']),
    content: { 'application/problem+json': { schema: schemas.add(problem, 'output') } },
  }
  known.set('AnyProblem', rest)
  return {
    add(status, codes) {
      const name = codes.map(pascal).join('Or')
      if (!known.has(name)) known.set(name, refusalAnswer(status, codes))
      return { $ref: `#/components/responses/${name}` }
    },
    all: () => Object.fromEntries([...known].sort(([a], [b]) => (a < b ? -1 : 1))),
  }
}

function refusalsOf(form: RouteForm, components: RefusalComponents): Record<string, { $ref: string }> {
  const byStatus = Object.groupBy(codesOf(form), (code) => problems[code].status)
  const entries = Object.entries(byStatus).map(([status, codes = []]) => [
    status,
    components.add(Number(status), codes),
  ])
  return { ...Object.fromEntries(entries), default: { $ref: '#/components/responses/AnyProblem' } }
}

function isContentAnswer(answer: unknown): answer is ContentAnswer {
  return typeof answer === 'object' && answer !== null && 'content' in answer
}

function successOf(status: number, declared: unknown, form: RouteForm, schemas: SchemaComponents): Answer {
  const own: readonly AnswerHeader[] = form.schema.answerHeaders?.[status] ?? []
  const isCounted = form.access !== 'public' || form.schema.problems?.includes('too-many-requests') === true
  const limits = isCounted ? (['ratelimit-policy', 'ratelimit'] as const) : []
  const headers = headerRefs([...own, 'x-request-id', ...limits])
  if (isContentAnswer(declared)) {
    const content = Object.entries(declared.content).map(([type, { schema }]) => [
      type,
      { schema: schemas.add(schema, 'output') },
    ])
    return { description: declared.description, headers, content: Object.fromEntries(content) }
  }
  const { operationId } = form.schema
  const schema = schemas.add(declared as z.core.$ZodType, 'output', operationId && `${pascal(operationId)}Reply`)
  const text = successTexts[status] ?? 'Done.'
  // `z.null()` stands for an answer without a body, and its text for what the answer says.
  if (schema.type === 'null') return { description: schema.description ?? text, headers }
  return { description: text, headers, content: { 'application/json': { schema } } }
}

/** All answers of an operation: those that the route declares, and the refusals that it can give. */
export function answersOf(
  form: RouteForm,
  schemas: SchemaComponents,
  refusals: RefusalComponents,
): Record<string, unknown> {
  const declared = Object.entries((form.schema.response ?? {}) as Record<string, unknown>)
  const answers = declared.map(([status, one]) => [status, successOf(Number(status), one, form, schemas)])
  return { ...Object.fromEntries(answers), ...refusalsOf(form, refusals) }
}
