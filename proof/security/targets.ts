import { dialectOf, inAllDialects } from '../../libs/http/src/dialects.ts'
import { eventually } from '../belfry-process.ts'
import { isAway, mostTries } from './answers.ts'
import type { LiveRoute } from './live-routes.ts'
import type { World } from './world.ts'

/**
 * What an operation needs of the record that it is for (docs/guide, "Sharing"): `none`, it is for records of the caller, or for
 * what belongs to nobody; `see`, metadata; `details`, params, results, logs; `operate`; `change`; `private`, the owner alone
 * even knows that it is there.
 */
type Need = 'none' | 'see' | 'details' | 'operate' | 'change' | 'private'

/** The record itself, or the row of a list with this id or name. */
export interface View {
  readonly path: string
  readonly row?: string
}

/** A call of a route about a record of the owner. */
export interface Target {
  readonly path: string
  readonly body?: unknown
  readonly need: Need
  /** Where the owner sees the record, to compare it before and after. */
  readonly view?: View
}

/** What is in the address of an operation: the values of its parameters, and where its record is shown. */
interface Record {
  readonly values: readonly string[]
  readonly view?: View
  readonly body?: unknown
  readonly query?: string
}

type Make = (world: World) => Promise<Record>

let made = 0
/** Another number each time. */
export const next = () => ++made

interface Named {
  readonly id: string
}

/** Makes something of the owner's; throws with the answer where it was refused. */
async function create<T = Named>({ owner }: World, method: string, path: string, body?: unknown): Promise<T> {
  let answer = await owner.call<T>(method, path, body)
  for (let tries = 1; isAway(answer) && tries < mostTries; tries++) answer = await owner.call<T>(method, path, body)
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

/** A job that never runs by itself during the proof. */
export function makeJob(world: World, fields: object = {}): Promise<Named> {
  const { mark, sharedNames } = world
  const usual = { jobType: 'DUMMY', params: { durationMs: 0, payload: mark }, schedule: '0 0 1 1 *' }
  return create(world, 'POST', '/jobs', { ...usual, viewers: sharedNames, key: `key-${next()}`, ...fields })
}

async function run(world: World, status: string, fields: object): Promise<string> {
  const job = await makeJob(world, fields)
  const { id } = await create(world, 'POST', `/jobs/${job.id}/trigger`)
  return eventually(`an execution that is ${status}`, async () => {
    const { body } = await world.owner.call<{ status: string }>('GET', `/executions/${id}`)
    return body.status === status ? id : undefined
  })
}

const once = <T>(make: (world: World) => Promise<T>) => {
  const kept = new WeakMap<World, Promise<T>>()
  return (world: World): Promise<T> => {
    const found = kept.get(world) ?? make(world)
    kept.set(world, found)
    return found
  }
}

const fails = (world: World) => ({ params: { durationMs: 0, fail: 1, payload: world.mark }, retry: { maxRetries: 0 } })
const report = { jobType: 'REPORT', params: { reportType: 'daily-sales' } }

const failed = (world: World) => run(world, 'FAILED', fails(world))
const running = (world: World) => run(world, 'RUNNING', { params: { durationMs: 600_000, payload: world.mark } })
const reported = once((world) => run(world, 'SUCCESS', report))
const oneFailed = once(failed)
export const oneJob = once((world) => makeJob(world))

export function makeNotification(world: World): Promise<Named> {
  const target = { type: 'webhook', url: 'http://127.0.0.1:9/hook' }
  return create(world, 'POST', '/notifications', { name: `about ${world.mark}`, on: ['failed'], target })
}

async function makeDelivery(world: World): Promise<Named> {
  const { id } = await makeNotification(world)
  return create(world, 'POST', `/notifications/${id}/test`)
}

const ofJob: Make = async (world) => {
  const { id } = await makeJob(world)
  return { values: [id], view: { path: `/jobs/${id}` } }
}
const ofOneJob: Make = async (world) => ({ values: [(await oneJob(world)).id] })
const ofExecution =
  (make: (world: World) => Promise<string>): Make =>
  async (world) => {
    const id = await make(world)
    return { values: [id], view: { path: `/executions/${id}` } }
  }
const ofNotification: Make = async (world) => {
  const { id } = await makeNotification(world)
  return { values: [id], view: { path: `/notifications/${id}` } }
}
const ofSecret: Make = async (world) => {
  const name = `SECRET_${next()}`
  await create(world, 'PUT', `/secrets/${name}`, { value: world.mark })
  return { values: [name], view: { path: '/secrets?limit=200', row: name } }
}
const ofUser: Make = async ({ admin }) => {
  const { body } = await admin.call<Named>('POST', '/auth/users', { username: `made-${next()}` })
  return { values: [body.id] }
}
const nothing: Make = async () => ({ values: [] })

/** For each route with a parameter: what it needs, and a record for it. A route that is not here fails the run. */
const records: Readonly<{ [operation: string]: readonly [Need, Make] }> = {
  getJob: ['see', ofOneJob],
  getJobStatus: ['see', ofOneJob],
  listNextRuns: ['see', ofOneJob],
  listJobExecutions: ['see', ofOneJob],
  listJobHistory: ['see', ofOneJob],
  listFireLog: ['see', ofOneJob],
  explainRun: [
    'see',
    async (world) => ({ ...(await ofOneJob(world)), query: `?at=${new Date(Date.now() - 1000).toISOString()}` }),
  ],
  putJob: ['change', ofJob],
  patchJob: ['change', ofJob],
  deleteJob: ['change', ofJob],
  triggerJob: ['change', ofJob],
  backfillJob: ['change', ofJob],
  pauseJob: ['operate', ofJob],
  resumeJob: ['operate', ofJob],
  cancelJob: ['operate', ofJob],
  'PATCH /api/v1/jobs/:id/state': [
    'operate',
    async (world) => ({ ...(await ofJob(world)), body: { state: 'PAUSED' } }),
  ],
  'GET /api/v1/executions/job/:jobId': ['see', ofOneJob],
  getExecution: ['see', ofExecution(oneFailed)],
  listExecutionLogs: ['details', ofExecution(oneFailed)],
  getArtifact: [
    'details',
    async (world) => {
      const id = await reported(world)
      const { body } = await world.owner.call<{ artifacts: { name: string }[] }>('GET', `/executions/${id}`)
      return { values: [id, body.artifacts[0]?.name ?? ''] }
    },
  ],
  retryExecution: ['operate', ofExecution(failed)],
  cancelExecution: ['operate', ofExecution(running)],
  getJobType: ['none', async () => ({ values: ['DUMMY'] })],
  putSecret: ['none', async () => ({ values: [`OWN_${next()}`] })],
  deleteSecret: ['private', ofSecret],
  getNotification: ['private', ofNotification],
  updateNotification: ['private', ofNotification],
  deleteNotification: ['private', ofNotification],
  rotateNotificationSecret: ['private', ofNotification],
  testNotification: ['private', ofNotification],
  confirmNotification: ['private', ofNotification],
  sendNotificationCode: ['private', ofNotification],
  listDeliveries: ['private', ofNotification],
  redeliverMessage: [
    'private',
    // Its attempts go on meanwhile, so there is nothing to compare.
    async (world) => ({ values: [(await makeDelivery(world)).id] }),
  ],
  deleteApiKey: [
    'private',
    async (world) => {
      const { id } = await create(world, 'POST', '/auth/api-keys', { name: `key ${next()}` })
      return { values: [id], view: { path: '/auth/api-keys', row: id } }
    },
  ],
  getUser: ['none', ofUser],
  updateUser: ['none', async (world) => ({ ...(await ofUser(world)), body: { roles: ['user'] } })],
  inviteUser: ['none', ofUser],
  createUser: ['none', async () => ({ values: [], body: { username: `new-${next()}` } })],
}

/** Routes between services, the landing pages and the like have parameters of no one: any text does. */
function isOfNobody({ access }: LiveRoute): boolean {
  return access === 'public' || access === 'service'
}

/** For operations that have no example in the description. */
const bodies: Readonly<{ [operation: string]: unknown }> = {
  pauseJobs: { tag: 'nightly' },
  resumeJobs: { tag: 'nightly' },
  backfillJob: { from: '2026-01-01T00:00:00Z', to: '2026-01-03T00:00:00Z', dryRun: true },
  actOnExecutions: { action: 'retry', filter: { status: ['FAILED'] }, dryRun: true },
  createNotification: { name: 'mine', on: ['failed'], target: { type: 'webhook', url: 'https://hooks.example/x' } },
  updateNotification: { name: 'another name' },
}

/** The first example of the operation in the description of the API. */
export function exampleOf({ operations }: World, operationId: string | undefined): unknown {
  const found = operations.find(({ operation }) => operation.operationId === operationId)?.operation.requestBody
  const [content] = Object.values(found?.content ?? {})
  return Object.values(content?.examples ?? {})[0]?.value ?? bodies[operationId ?? '']
}

/** A copy of a route in another dialect: its access rule and its handler are the same objects. */
export function isCopy({ pattern, operationId }: LiveRoute): boolean {
  return dialectOf(pattern) !== undefined && operationId !== undefined
}

/** What the owner sees of a record, without what changes by itself. */
export async function look({ owner }: World, view: View | undefined): Promise<string> {
  if (!view) return ''
  const { body } = await owner.call<{ data?: { id?: string; name?: string }[] }>('GET', view.path)
  const { row } = view
  const seen = row === undefined ? body : body.data?.find(({ id, name }) => id === row || name === row)
  const { status: _status, nextRunAt: _at, lastUsedAt: _used, ...rest } = (seen ?? {}) as { [name: string]: unknown }
  return JSON.stringify(rest)
}

function fill(pattern: string, values: readonly string[]): string {
  const left = [...values]
  return pattern.replaceAll(/:[A-Za-z]+/g, () => encodeURIComponent(left.shift() ?? 'x'))
}

/** A call of the route about a record of the owner; a new one wherever the call may change it. Throws for a route without an example. */
export async function targetOf(world: World, route: LiveRoute): Promise<Target> {
  const { operationId, pattern, method } = route
  const known = records[operationId ?? `${method === 'HEAD' ? 'GET' : method} ${pattern}`]
  if (!known && pattern.includes(':') && !isOfNobody(route))
    throw new Error(`proof/security has no record for ${method} ${pattern} (${operationId}): add one to targets.ts`)
  const [need, make] = known ?? ['none', nothing]
  const record = await make(world)
  const path = `${fill(pattern, record.values)}${record.query ?? ''}`
  const takesBody = !['GET', 'HEAD', 'DELETE'].includes(method)
  const body = record.body ?? (takesBody ? exampleOf(world, operationId) : undefined)
  return { path, need, ...(body !== undefined && { body }), ...(record.view && { view: record.view }) }
}

/** What is open without a token. A route that is public and not here fails the run. */
export const publicPatterns: readonly string[] = [
  ...inAllDialects(['/auth/signup', '/auth/login', '/auth/refresh', '/auth/logout', '/auth/bootstrap', '/auth/invite']),
  ...inAllDialects(['/auth/.well-known/jwks.json']),
  ...['/livez', '/readyz', '/metrics', '/openapi.json', '/', '/docs', '/docs/', '/docs/start.js', '/docs/:asset'],
  ...['/problems', '/problems/:slug', '/first-admin', '/set-password', '/one-time/page.css', '/one-time/page.js'],
  ...['/swagger-ui', '/swagger-ui/', '/swagger-ui.html', '/swagger-ui/index.html'],
  ...['/actuator/health', '/actuator/metrics', '/actuator/prometheus'],
]
