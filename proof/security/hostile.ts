import { type AddressedOperation, resolve, type Schema } from '../../test/api-document.ts'
import type { LiveRoute } from './live-routes.ts'
import type { Finding } from './matrix.ts'
import { exampleOf, isCopy, look, next, type Target, targetOf } from './targets.ts'
import type { World } from './world.ts'

/** Schemas as far as they decide what a field takes. */
interface FieldSchema extends Schema {
  readonly type?: string | readonly string[]
  readonly items?: FieldSchema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly additionalProperties?: unknown
  readonly anyOf?: readonly FieldSchema[]
  readonly oneOf?: readonly FieldSchema[]
  readonly allOf?: readonly FieldSchema[]
}

type Path = readonly (string | number)[]

/** JSON texts cannot be made of a `__proto__` by way of an object; this name stands for it. */
const proto = '@@proto@@'
const textOf = (value: unknown) => JSON.stringify(value).replaceAll(proto, '__proto__')

/** Names that no body may bring along (mass assignment, pollution, operators of MongoDB). */
const foreignNames = [
  ...[
    'ownerId',
    'owner',
    'userId',
    'roles',
    'role',
    'id',
    '_id',
    'version',
    'rev',
    'state',
    'status',
    'isAdmin',
    'admin',
  ],
  ...[
    'createdAt',
    'publishedVersion',
    'hash',
    'passwordHash',
    'disabled',
    'apiKeyId',
    'via',
    '$set',
    '$where',
    '$ne',
    '$or',
  ],
  ...[proto, 'prototype', 'hasOwnProperty', 'toString', 'valueOf', '__v', '__defineGetter__'],
]

/** Values in place of a field's own. `isPollution`: they are refused in free JSON too. */
const hostileValues: readonly { value: unknown; isPollution: boolean }[] = [
  { value: { $ne: null }, isPollution: false },
  { value: { $gt: '' }, isPollution: false },
  { value: { $in: ['a', 'b'] }, isPollution: false },
  { value: { $regex: '.*' }, isPollution: false },
  { value: { $where: 'sleep(1000)' }, isPollution: false },
  { value: [{ $ne: null }], isPollution: false },
  { value: { [proto]: { isAdmin: true } }, isPollution: true },
  { value: { constructor: { prototype: { isAdmin: true } } }, isPollution: true },
  { value: { a: [{ [proto]: { roles: ['admin'] } }] }, isPollution: true },
]

/** A schema and the alternatives within it, references followed. */
function alternativesOf({ document }: World, schema: FieldSchema): FieldSchema[] {
  const found = resolve(document, schema) as FieldSchema
  const parts = [...(found.anyOf ?? []), ...(found.oneOf ?? []), ...(found.allOf ?? [])]
  return parts.length === 0 ? [found] : [found, ...parts.flatMap((part) => alternativesOf({ document } as World, part))]
}

/** Takes any JSON, or any names: what stands there is data of the user. */
function isFree(alternatives: readonly FieldSchema[]): boolean {
  return alternatives.some((one) => {
    const isUnion = one.anyOf ?? one.oneOf ?? one.allOf
    const saysNothing = one.type === undefined && one.enum === undefined && one.const === undefined && !isUnion
    const isOpenObject = String(one.type).includes('object') && one.additionalProperties !== false
    const isOpenList = String(one.type).includes('array') && one.items === undefined
    return saysNothing || isOpenObject || isOpenList
  })
}

interface Place {
  readonly path: Path
  readonly isFree: boolean
  /** The names that an object at this place takes; null where it takes none or any. */
  readonly names: readonly string[] | null
}

const deepest = 5

/** Every field and every object of a schema, with its path. */
function placesOf(world: World, schema: FieldSchema, path: Path = []): Place[] {
  const alternatives = alternativesOf(world, schema)
  const free = isFree(alternatives)
  const objects = alternatives.filter(({ properties }) => properties !== undefined)
  const names = free || objects.length === 0 ? null : objects.flatMap(({ properties }) => Object.keys(properties ?? {}))
  const own: Place = { path, isFree: free, names }
  if (path.length >= deepest) return [own]
  const members = objects.flatMap(({ properties }) => Object.entries(properties ?? {}))
  const items = alternatives.flatMap((one) => (one.items ? [one.items] : []))
  return [
    own,
    ...members.flatMap(([name, member]) => placesOf(world, member as FieldSchema, [...path, name])),
    ...items.flatMap((item) => placesOf(world, item, [...path, 0])),
  ]
}

/** The value with another one at the path; what is missing on the way is made. */
function withAt(value: unknown, [first, ...rest]: Path, put: (old: unknown) => unknown): unknown {
  if (first === undefined) return put(value)
  if (typeof first === 'number') {
    const list = Array.isArray(value) ? [...value] : []
    list[first] = withAt(list[first], rest, put)
    return list
  }
  const object = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
  return { ...object, [first]: withAt((object as Record<string, unknown>)[first], rest, put) }
}

/** The bodies of an operation, each with one thing that must not be. */
function hostileBodies(world: World, schema: FieldSchema, example: unknown): unknown[] {
  const seen = new Set<string>()
  const places = placesOf(world, schema).filter(({ path }) => {
    const name = JSON.stringify(path)
    return !seen.has(name) && seen.add(name) !== undefined
  })
  return places.flatMap(({ path, isFree: free, names }) => {
    const values = path.length === 0 ? [] : hostileValues.filter(({ isPollution }) => isPollution || !free)
    const replaced = values.map(({ value }) => withAt(example, path, () => value))
    const foreign = names === null ? [proto] : foreignNames.filter((name) => !names.includes(name))
    const isObject = (old: unknown) => typeof old === 'object' && old !== null && !Array.isArray(old)
    const added = foreign.map((name) =>
      withAt(example, path, (old) => ({ ...(isObject(old) ? (old as object) : {}), [name]: { x: 1 } })),
    )
    return [...replaced, ...added]
  })
}

/** Whether the answer refuses: itself, or each item of a batch. */
function refuses(status: number, text: string): boolean {
  if (status === 400 || status === 422) return true
  if (status !== 200 || !text.includes('"results":[')) return false
  const { results } = JSON.parse(text) as { results: { status: number }[] }
  return results.length > 0 && results.every((one) => one.status === 400 || one.status === 422)
}

/** A caller whose role is enough for the route. */
function tokenFor({ owner, admin }: World, { access }: LiveRoute): string {
  return String(access === 'admin' || access === 'operator' ? admin.token : owner.token)
}

async function post(world: World, route: LiveRoute, path: string, body: string | undefined) {
  const isInternal = route.access === 'service'
  const service = world.actors.find(({ kind }) => kind === 'service')
  const authorization = isInternal ? (service?.authorization() ?? '') : `Bearer ${tokenFor(world, route)}`
  const answer = await fetch((isInternal ? route.origin : world.url) + path, {
    method: route.method,
    redirect: 'manual',
    headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
  })
  return { status: answer.status, text: await answer.text() }
}

function schemaOf({ operation }: AddressedOperation): FieldSchema | undefined {
  return Object.values(operation.requestBody?.content ?? {})[0]?.schema as FieldSchema | undefined
}

/** For a route that the description leaves out: the members of its example, each a text. */
function flatSchemaOf(example: unknown): FieldSchema | undefined {
  if (typeof example !== 'object' || example === null) return undefined
  const members = Object.keys(example).map((name) => [name, { type: 'string' }])
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(members) }
}

interface Attack {
  readonly route: LiveRoute
  readonly path: string
  readonly body?: string
}

function bodyAttacks(world: World, route: LiveRoute, { path, body }: Target): Attack[] {
  const operation = world.operations.find(({ operation }) => operation.operationId === route.operationId)
  const given = body ?? exampleOf(world, route.operationId)
  const schema = operation ? schemaOf(operation) : flatSchemaOf(given)
  if (!schema) return []
  // The items of a batch are refused each for itself.
  const example = Array.isArray(given) ? given.slice(0, 1) : given
  return hostileBodies(world, schema, example).map((hostile) => ({ route, path, body: textOf(hostile) }))
}

const foreignQueries = [
  ...['__proto__=1', '__proto__[isAdmin]=1', '__proto__.isAdmin=1', 'constructor=1', 'constructor.prototype.isAdmin=1'],
  ...['constructor[prototype][isAdmin]=1', '$where=1', '$ne=1', '[$ne]=1', 'isAdmin=true', 'roles=admin', 'toString=1'],
]

function queryAttacks({ operations }: World, route: LiveRoute, { path, body }: Target): Attack[] {
  const found = operations.find(({ operation }) => operation.operationId === route.operationId)
  const names = (found?.operation.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name)
  const ofNames = names.flatMap((name) =>
    ['[$ne]=', '[$gt]=', '[]=a', '.x=1', '[__proto__]=1'].map((end) => name + end),
  )
  const foreign = route.operationId?.startsWith('list') ? [...foreignQueries, `ownerID=${next()}`] : foreignQueries
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const joined = (query: string) => `${path}${path.includes('?') ? '&' : '?'}${encodeURI(query)}`
  return [...foreign, ...ofNames].map((query) => ({ route, path: joined(query), ...sent }))
}

const lanes = 8

async function attack(world: World, route: LiveRoute, unexpected: string[]): Promise<number> {
  const target = await targetOf(world, route)
  const attacks = [...bodyAttacks(world, route, target), ...queryAttacks(world, route, target)]
  const before = await look(world, target.view)
  for (const { path, body } of attacks) {
    const { status, text } = await post(world, route, path, body)
    const what = `${route.method} ${path} ${body ?? ''}`.slice(0, 150)
    if (!refuses(status, text)) unexpected.push(`${what}: ${status} ${text.slice(0, 150)}`)
  }
  const after = await look(world, target.view)
  if (before !== after) unexpected.push(`${route.method} ${target.path}: what was refused has changed ${after}`)
  return attacks.length
}

/** The routes whose parts are checked: pages and probes read nothing of a request. */
function attackedRoutes({ routes }: World): LiveRoute[] {
  const isPage = ({ access, operationId }: LiveRoute) => access === 'public' && operationId === undefined
  return routes.filter((route) => !route.isProxied && !isCopy(route) && route.method !== 'HEAD' && !isPage(route))
}

/** Operators, foreign members and `__proto__` in every field of every body, and in the query of every route: refused. */
export async function checkHostileInput(world: World): Promise<Finding> {
  const unexpected: string[] = []
  await world.renewServiceToken()
  const routes = attackedRoutes(world)
  const queue = [...routes]
  let checks = 0
  const work = async () => {
    for (let route = queue.shift(); route; route = queue.shift()) {
      const made = await attack(world, route, unexpected)
      checks += made
    }
  }
  await Promise.all(Array.from({ length: lanes }, work))
  if (Object.hasOwn(Object.prototype, 'isAdmin') || Object.hasOwn(Object.prototype, 'x'))
    unexpected.push('a prototype was changed')
  return { what: `hostile bodies and queries (${routes.length} routes)`, checks, unexpected }
}
