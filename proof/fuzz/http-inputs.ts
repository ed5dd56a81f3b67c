import type { Random } from '../random.ts'
import type { DrawValue, JsonSchema } from './json-values.ts'
import { mutateText, mutateValue, strangeTexts } from './mutations.ts'

/** How far an input is from a valid one. */
export type InputClass = 'valid' | 'near' | 'hostile'

/** A request, as JSON can say it. */
export interface HttpInput {
  readonly class: InputClass
  readonly name: string
  /** 0 is the gateway; the others are the services. */
  readonly target: number
  /** By its place among the system's callers. */
  readonly caller: number
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON text, or bytes as base64. */
  readonly body?: { readonly text: string } | { readonly base64: string }
}

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: JsonSchema
}

interface Content {
  readonly schema?: JsonSchema
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>
}

/** An operation of the API, with what its inputs are drawn from. */
export interface FuzzedOperation {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly content?: Content
  readonly contentType?: string
  /** The place of the service that answers it, from 1. */
  readonly service: number
}

/** Ids that exist, by the begin of the addresses that take them. */
export type Ids = Readonly<Record<string, readonly string[]>>

const otherMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']
const otherTypes = [
  'text/plain',
  'application/json; charset=utf-16',
  'multipart/form-data',
  'application/xml',
  '',
  '*/*',
]
const prefixes = ['/v1', '/api']
/** Waits of a call are cut short: they would hold up the next inputs. */
const waits = new Set(['until', 'follow'])
/** Only a list knows its cursors. */
const leftOut = new Set([...waits, 'cursor'])

function pathOf({ path, parameters }: FuzzedOperation, draw: DrawValue, ids: Ids, random: Random): string {
  return path.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    const known = ids[path.split('/')[1] ?? ''] ?? []
    if (name === 'id' && known.length > 0 && random.fraction() < 0.9) return random.oneOf(known)
    if (name === 'type' && random.fraction() < 0.7) return random.oneOf(['DUMMY', 'REPORT', 'HTTP_CALL'])
    const parameter = parameters.find((one) => one.in === 'path' && one.name === name)
    return encodeURIComponent(String(draw(parameter?.schema ?? { type: 'string', minLength: 1 }, random, name))) || 'x'
  })
}

function queryOf(parameters: readonly Parameter[], draw: DrawValue, random: Random): string {
  const query = new URLSearchParams()
  for (const { name, schema, required, in: where } of parameters) {
    if (where !== 'query' || leftOut.has(name) || (!required && random.fraction() < 0.7)) continue
    query.append(name, String(draw(schema, random, name)))
  }
  return query.size > 0 ? `?${query}` : ''
}

function headersOf(parameters: readonly Parameter[], draw: DrawValue, random: Random): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const { name, schema, in: where } of parameters) {
    if (where !== 'header' || random.fraction() < 0.8) continue
    if (name === 'Prefer') headers[name] = 'return=minimal'
    else if (name === 'If-Match') headers[name] = random.oneOf(['*', '"1"', '"7", "1"'])
    else headers[name] = encodeURI(String(draw(schema, random, name)))
  }
  return headers
}

function validBody({ content }: FuzzedOperation, draw: DrawValue, random: Random): unknown {
  const examples = Object.values(content?.examples ?? {})
  if (examples.length > 0 && random.fraction() < 0.4) return random.oneOf(examples).value
  return draw(content?.schema ?? {}, random, 'body')
}

const asBody = (text: string | Buffer) => (typeof text === 'string' ? { text } : { base64: text.toString('base64') })

function strangePath(path: string, random: Random): string {
  const text = random.oneOf(strangeTexts).slice(0, 8000)
  const encoded = random.fraction() < 0.5 ? encodeURIComponent(text) : encodeURI(text).replaceAll('%25', '%')
  const parts = path.split('/')
  const kind = random.between(0, 3)
  if (kind === 0)
    return `${path}${path.includes('?') ? '&' : '?'}${encoded}=${encodeURIComponent(random.oneOf(strangeTexts))}`
  if (kind === 1) return `${path}/${encoded}`
  const at = random.between(1, parts.length - 1)
  return parts.with(at, encoded).join('/')
}

/** One wrong parameter of the query. */
function wrongQuery({ parameters }: FuzzedOperation, path: string, random: Random): string {
  const named = parameters.filter((one) => one.in === 'query' && !waits.has(one.name))
  const name = named.length > 0 && random.fraction() < 0.8 ? random.oneOf(named).name : 'unknown'
  const value = encodeURIComponent(random.oneOf(strangeTexts))
  const repeated = random.fraction() < 0.2 ? `&${name}=${value}` : ''
  return `${path}${path.includes('?') ? '&' : '?'}${name}=${value}${repeated}`
}

function drawHostile(input: HttpInput, json: string | undefined, random: Random): HttpInput {
  const kind = random.between(0, 5)
  if (kind === 0) return { ...input, path: strangePath(input.path, random) }
  if (kind === 1) return { ...input, method: random.oneOf(otherMethods) }
  if (kind === 2) {
    const name = random.oneOf([
      'authorization',
      'content-type',
      'if-match',
      'if-none-match',
      'idempotency-key',
      'prefer',
      'accept',
      'accept-encoding',
      'traceparent',
      'x-request-id',
      'x-api-key',
      'x-user-id',
      'origin',
      'range',
      'last-event-id',
    ])
    const value =
      name === 'content-type' ? random.oneOf(otherTypes) : encodeURI(random.oneOf(strangeTexts)).slice(0, 6000)
    return { ...input, headers: { ...input.headers, [name]: value } }
  }
  return { ...input, body: asBody(mutateText(json ?? '{"a": 1}', random)) }
}

/** Draws one request of the class for the operation. */
export function drawHttpInput(
  operation: FuzzedOperation,
  inputClass: InputClass,
  draw: DrawValue,
  ids: Ids,
  random: Random,
): HttpInput {
  const { name, method, parameters, contentType } = operation
  const value = operation.content ? validBody(operation, draw, random) : undefined
  const json = value === undefined ? undefined : JSON.stringify(value)
  const isDirect = random.fraction() < 0.35
  const input: HttpInput = {
    class: inputClass,
    name,
    target: isDirect ? operation.service : 0,
    caller: inputClass === 'valid' ? random.oneOf([0, 0, 1]) : random.oneOf([0, 0, 0, 1, 1, 2]),
    method,
    path: `${random.fraction() < 0.1 ? random.oneOf(prefixes) : ''}${pathOf(operation, draw, ids, random)}${queryOf(parameters, draw, random)}`,
    headers: {
      ...headersOf(parameters, draw, random),
      ...(json !== undefined && { 'content-type': contentType ?? '' }),
    },
    ...(json !== undefined && { body: { text: json } }),
  }
  if (inputClass === 'hostile') return drawHostile(input, json, random)
  if (inputClass === 'valid') return input
  if (value === undefined || random.fraction() < 0.15)
    return { ...input, path: wrongQuery(operation, input.path, random) }
  if (random.fraction() < 0.15) return { ...input, body: asBody(mutateText(json ?? '', random)) }
  return { ...input, body: { text: JSON.stringify(mutateValue(value, random)) ?? '' } }
}
