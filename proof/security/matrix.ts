import { mayAccess } from '@belfry/http'
import { isAway, mostTries } from './answers.ts'
import type { LiveRoute } from './live-routes.ts'
import { isCopy, look, publicPatterns, type Target, targetOf } from './targets.ts'
import type { Actor, World } from './world.ts'

/** What a check of the proof found. */
export interface Finding {
  readonly what: string
  readonly checks: number
  /** A sentence for each answer that must not be. */
  readonly unexpected: readonly string[]
  /** Figures of the check, for the line of JSON. */
  readonly more?: Readonly<Record<string, unknown>>
}

interface Answer {
  readonly status: number
  /** The code of the problem; an empty text where the answer is none. */
  readonly code: string
  readonly text: string
}

/** One call, made again while the service is away. */
async function send(...call: Parameters<typeof sendOnce>): Promise<Answer> {
  let answer = await sendOnce(...call)
  for (let tries = 1; isAway(answer) && tries < mostTries; tries++) answer = await sendOnce(...call)
  return answer
}

/** Of a stream only the head is read. */
async function sendOnce(
  origin: string,
  method: string,
  { path, body }: Pick<Target, 'path' | 'body'>,
  authorization?: string,
): Promise<Answer> {
  const response = await fetch(origin + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const { status, headers } = response
  if (headers.get('content-type')?.startsWith('text/event-stream')) {
    await response.body?.cancel()
    return { status, code: '', text: '' }
  }
  const text = await response.text()
  const isProblem = headers.get('content-type')?.startsWith('application/problem+json') && text !== ''
  return { status, code: isProblem ? JSON.parse(text).code : '', text }
}

/** An API key cannot do these, whatever its role: a stolen key would outlive its deletion. */
const needsLogin = ['createApiKey', 'deleteApiKey', 'changePassword']

/** `in`: let in. Else the statuses of which the answer must have one. */
type Expected = 'in' | readonly number[]

/** By the relation to the owner of the record alone; the role was enough. */
function expectedByReach({ relation, role }: Actor, need: Target['need']): Expected {
  if (need === 'none' || relation === 'owner') return 'in'
  if (need === 'private') return [404]
  const isOperator = role === 'operator' || role === 'admin'
  if (relation === 'shared') return need === 'see' || need === 'details' ? 'in' : [403]
  if (!isOperator) return [404]
  return need === 'see' || need === 'operate' ? 'in' : [403, 404]
}

function expectedOf(route: LiveRoute, actor: Actor, need: Target['need'], isDirect: boolean): Expected {
  const { access, operationId = '' } = route
  if (access === 'service') {
    if (!isDirect) return [404]
    return actor.kind === 'service' ? 'in' : [401]
  }
  if (access === 'public') return 'in'
  const { role } = actor
  if (role === null || (isDirect && actor.kind === 'key')) return [401]
  if (!mayAccess([role], access)) return [403]
  if (actor.kind === 'key' && needsLogin.includes(operationId)) return [403]
  return expectedByReach(actor, need)
}

/** Codes with which a caller is kept out. */
const outCodes = ['unauthenticated', 'forbidden', 'not-found']

/** Whether an answer shows that the caller was let in: the call may still meet a state in which it cannot be done. */
const isIn = ({ status, code }: Answer) => status < 400 || (status !== 401 && !outCodes.includes(code))

/** What the call of a right caller may meet: another one has changed the state, or the password, before. */
function isOfState({ operationId }: LiveRoute, { code }: Answer): boolean {
  return code === 'conflict' || (operationId === 'changePassword' && code === 'impossible')
}

const named = ({ method, pattern }: LiveRoute) => `${method} ${pattern}`

/** Those whose call changes what all share come last, in this order. */
const lastOperations = ['rotateSigningKey', 'drainSystem', 'resumeSystem']

/** The routes that the matrix is about: what the gateway only hands on is covered by the route of the service. */
function checkedRoutes({ routes }: World): LiveRoute[] {
  const rank = ({ operationId = '' }: LiveRoute) => lastOperations.indexOf(operationId)
  const isCounted = (route: LiveRoute) => !route.isProxied && !(route.method === 'HEAD' && isCopy(route))
  return routes.filter(isCounted).sort((a, b) => rank(a) - rank(b))
}

interface Row {
  readonly checks: number
  /** Calls that no service has answered, however often they were made. */
  readonly unanswered: number
  readonly unexpected: readonly string[]
}

const isWrite = ({ method }: LiveRoute) => method !== 'GET' && method !== 'HEAD'

/** All actors at one route: first those that must be refused, then the owner, then others that are let in. */
async function checkRoute(world: World, route: LiveRoute): Promise<Row> {
  const target = await targetOf(world, route)
  const { need, view } = target
  const unexpected: string[] = []
  let [checks, unanswered] = [0, 0]
  const gateway = { origin: world.url, isDirect: false }
  const hasOneWay = isCopy(route) || route.origin === world.url
  const ways = hasOneWay ? [gateway] : [gateway, { origin: route.origin, isDirect: true }]
  const before = await look(world, view)
  const judge = (actor: Actor, isDirect: boolean, expected: Expected, answer: Answer) => {
    if (isAway(answer)) {
      unanswered += 1
      return
    }
    checks += 1
    const where = isDirect ? 'at the service' : 'at the gateway'
    const isRight = expected === 'in' ? isIn(answer) : expected.includes(answer.status)
    const shown = `${answer.status} ${answer.text.slice(0, 200)}`
    if (!isRight) unexpected.push(`${named(route)} ${where}, ${actor.name}: expected ${expected}, got ${shown}`)
    const maySeeMark = actor.relation !== 'stranger' || need === 'none'
    if (!maySeeMark && answer.text.includes(world.mark)) unexpected.push(`${named(route)} shows ${actor.name} the mark`)
  }
  const letIn: { actor: Actor; isDirect: boolean; origin: string }[] = []
  for (const { origin, isDirect } of ways) {
    for (const actor of world.actors) {
      const expected = expectedOf(route, actor, need, isDirect)
      if (expected === 'in') letIn.push({ actor, isDirect, origin })
      else judge(actor, isDirect, expected, await send(origin, route.method, target, actor.authorization()))
    }
  }
  const after = await look(world, view)
  if (before !== after) unexpected.push(`${named(route)}: refused calls changed ${view?.path}: ${before} to ${after}`)
  if (route.access === 'public') return { checks, unanswered, unexpected }
  // The owner comes first, so that the call that must work meets the record as it was made.
  letIn.sort((a, b) => Number(b.actor.name === 'owner') - Number(a.actor.name === 'owner'))
  for (const { actor, isDirect, origin } of letIn) {
    if (isDirect && isWrite(route) && actor.kind !== 'service') continue
    const answer = await send(origin, route.method, target, actor.authorization())
    judge(actor, isDirect, 'in', answer)
    const mustWork = letIn[0]?.actor === actor && !isDirect
    if (mustWork && answer.status >= 400 && !isAway(answer) && !isOfState(route, answer)) {
      unexpected.push(`${named(route)}: the call itself does not work: ${answer.status} ${answer.text.slice(0, 300)}`)
    }
  }
  return { checks, unanswered, unexpected }
}

function checkPublic(route: LiveRoute): string[] {
  if (route.access !== 'public' || publicPatterns.includes(route.pattern)) return []
  return [`${named(route)} is public, and is not among the public addresses of targets.ts`]
}

/** A route's pattern as an expression for other patterns: `*` takes the rest, a parameter one part. */
function matcherOf({ pattern }: LiveRoute): RegExp {
  const parts = pattern
    .split('/')
    .map((part) => (part === '*' ? '.+' : part.startsWith(':') ? '[^/]+' : RegExp.escape(part)))
  return new RegExp(`^${parts.join('/')}$`)
}

/** What each service has for itself, and the gateway too. */
const ofEveryService = ['/livez', '/readyz', '/openapi.json', '/metrics']

/** Routes for users that the gateway does not hand on: they would be reached by nothing but a way around it. */
function unroutedOf({ routes }: World): string[] {
  const proxied = routes.filter(({ isProxied }) => isProxied)
  const matchers = new Map(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) => [method, [] as RegExp[]]))
  for (const route of proxied) matchers.get(route.method)?.push(matcherOf(route))
  const isRouted = ({ method, pattern }: LiveRoute) => matchers.get(method)?.some((one) => one.test(pattern)) === true
  const isForUsers = ({ service, access }: LiveRoute) => service !== 'gateway' && access !== 'service'
  return routes.filter((route) => isForUsers(route) && !isRouted(route)).map(({ pattern }) => pattern)
}

/** Routes that are worked off at a time. */
const lanes = 6

/** Every route of every service, in every dialect, with every kind of caller: at the gateway, and at the service itself. */
export async function checkMatrix(world: World): Promise<Finding> {
  const all = checkedRoutes(world)
  const isLast = ({ operationId = '' }: LiveRoute) => lastOperations.includes(operationId)
  const queue = all.filter((route) => !isLast(route))
  const unrouted = new Set(unroutedOf(world))
  const lost = [...unrouted].filter((pattern) => !ofEveryService.includes(pattern))
  const unexpected = [...all.flatMap(checkPublic), ...lost.map((one) => `the gateway does not route ${one}`)]
  let [checks, unanswered] = [0, 0]
  let renewedAt = performance.now()
  const work = async (some: LiveRoute[]) => {
    for (let route = some.shift(); route; route = some.shift()) {
      if (performance.now() - renewedAt > 10_000) {
        renewedAt = performance.now()
        await world.renewServiceToken()
      }
      const row = await checkRoute(world, route).catch((error) => ({
        checks: 0,
        unanswered: 0,
        unexpected: [String(error)],
      }))
      checks += row.checks
      unanswered += row.unanswered
      unexpected.push(...row.unexpected)
    }
  }
  await Promise.all(Array.from({ length: lanes }, () => work(queue)))
  await work(all.filter(isLast))
  const more = { routes: all.length, actors: world.actors.length, unanswered, unrouted: [...unrouted] }
  return { what: `routes x callers (${all.length} x ${world.actors.length})`, checks, unexpected, more }
}
