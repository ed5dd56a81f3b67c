import { resolve, type Schema } from '../../test/api-document.ts'
import { openEvents } from '../../test/flows/event-reader.ts'
import { eventually } from '../belfry-process.ts'
import { type Caller, createCaller, readAll } from '../caller.ts'
import { isAway } from './answers.ts'
import type { Finding } from './matrix.ts'
import { exampleOf, makeJob, makeNotification, next, oneJob } from './targets.ts'
import type { World } from './world.ts'

/** Ids of the owner's records, by kind. */
interface Owned {
  readonly job: string
  readonly key: string
  readonly execution: string
  readonly notification: string
  readonly user: string
  readonly secret: string
}

/** Everything that the owner has, as the owner sees it. What changes by itself is left out. */
async function snapshotOf({ owner }: World): Promise<string> {
  const rows = async (path: string) => readAll<Record<string, unknown>>(owner, path)
  // A fire time of a schedule may come at any moment, and a one-shot is over then.
  const isOwn = ({ cause, runAt = null }: Record<string, unknown>) => cause !== 'schedule' && runAt === null
  const still = ({ id, name, key, version, state, updatedAt, retryOf, tags, viewers }: Record<string, unknown>) =>
    JSON.stringify({ id, name, key, version, state, updatedAt, retryOf, tags, viewers })
  const lists = await Promise.all(
    ['/jobs', '/executions', '/secrets', '/notifications'].map(async (path) =>
      (await rows(path)).filter(isOwn).map(still).sort(),
    ),
  )
  const { body } = await owner.call<{ data: { id: string }[] }>('GET', '/auth/api-keys')
  return JSON.stringify([lists, body.data.map(({ id }) => id).sort()], null, 1)
}

async function makeOwned(world: World): Promise<Owned> {
  const { owner, mark, ownerId } = world
  const key = `owners-${next()}`
  const { id: job } = await makeJob(world, { key, tags: ['nightly'] })
  const run = await owner.call<{ id: string }>('POST', `/jobs/${job}/trigger`)
  await eventually('the execution of the owner to end', async () => {
    const { body } = await owner.call<{ status: string }>('GET', `/executions/${run.body.id}`)
    return body.status === 'SUCCESS' ? true : undefined
  })
  const secret = 'OWNERS_SECRET'
  await owner.call('PUT', `/secrets/${secret}`, { value: mark })
  const { id: notification } = await makeNotification(world)
  return { job, key, execution: run.body.id, notification, user: ownerId, secret }
}

/** One try of a caller who is not the owner. */
interface Try {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

/** The ids of another owner in every parameter of every query. */
function queryTries({ operations }: World, owned: Owned): Try[] {
  return operations.flatMap(({ method, path, operation }) =>
    (operation.parameters ?? [])
      .filter((one) => one.in === 'query')
      .flatMap(({ name }) =>
        Object.values(owned).map((id) => ({
          method,
          path: `${path.replaceAll(/\{[^}]+\}/g, encodeURIComponent(owned.job))}?${name}=${encodeURIComponent(id)}`,
        })),
      ),
  )
}

/** The addresses of jobs by the owner's key, and of executions and notifications by ids of another kind. */
function pathTries({ operations }: World, owned: Owned): Try[] {
  const withIds = operations.filter(({ path }) => path.includes('{') && !path.startsWith('/auth/users'))
  return withIds.flatMap(({ method, path }) =>
    Object.values(owned).map((id) => ({ method, path: path.replaceAll(/\{[^}]+\}/g, encodeURIComponent(id)) })),
  )
}

/** Fields of bodies that name a record. A tag names none: each user has tags of the own. */
const idFields = /^(?:id|ids|key|keys|jobId|jobIds|job|jobs|executionId|executionIds|userId|ownerId|viewers)$/

function membersOf(world: World, schema: Schema | undefined): [string, Schema][] {
  if (!schema) return []
  const found = resolve(world.document, schema) as Schema & { [union: string]: Schema[] | undefined }
  const parts = ['anyOf', 'oneOf', 'allOf'].flatMap((union) => found[union] ?? [])
  return [...Object.entries(found.properties ?? {}), ...parts.flatMap((part) => membersOf(world, part))]
}

/** The ids of another owner in every field of a body that takes an id. */
function bodyTries(world: World, owned: Owned): Try[] {
  return world.operations.flatMap(({ method, path, operation }) => {
    const [content] = Object.values(operation.requestBody?.content ?? {})
    const example = exampleOf(world, operation.operationId)
    if (typeof example !== 'object' || example === null || path.startsWith('/auth/')) return []
    const fields = membersOf(world, content?.schema).filter(([name]) => idFields.test(name))
    const at = path.replaceAll(/\{[^}]+\}/g, encodeURIComponent(owned.job))
    return fields.flatMap(([name]) =>
      Object.values(owned).flatMap((id) =>
        [id, [id]].map((value) => ({ method, path: at, body: { ...example, [name]: value } })),
      ),
    )
  })
}

/** What no schema shows: items of batches, filters, and secrets of others in params. */
function otherTries(owned: Owned): Try[] {
  const { job, key, execution, secret } = owned
  const post = (path: string, body: unknown): Try => ({ method: 'POST', path, body })
  const ids = [job, key, execution, owned.user]
  return [
    ...ids.flatMap((id) => [
      post('/triggers/batch', [{ jobId: id }]),
      post('/triggers/batch', [{ key: id }]),
      post('/executions/bulk', { action: 'retry', filter: { jobId: id } }),
      post('/executions/bulk', { action: 'cancel', filter: { jobId: id } }),
      post('/dead-letters/redrive', { jobId: id }),
      post('/jobs/pause', { jobId: id }),
      post('/jobs/pause', { tag: 'nightly' }),
      post('/jobs/resume', { tag: 'nightly' }),
    ]),
    post('/jobs', { jobType: 'DUMMY', params: { payload: `{{secret:${secret}}}` }, delay: '1ms' }),
    post('/jobs', { jobType: 'HTTP_CALL', params: { url: `http://127.0.0.1:9/{{secret:${secret}}}` }, delay: '1ms' }),
    ...[
      '../../jobs.db',
      '..%2f..%2fjobs.db',
      '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
      '/etc/passwd',
      'report.csv',
      '.',
      '..',
    ].flatMap((name) => [
      { method: 'GET', path: `/executions/${execution}/artifacts/${name}` },
      { method: 'GET', path: `/executions/${execution}/artifacts/${encodeURIComponent(name)}` },
    ]),
  ]
}

/** Cursors of the owner's lists, sent by another user to the same lists. */
async function cursorTries({ operations, owner }: World, owned: Owned): Promise<Try[]> {
  const lists = operations.filter(({ operation }) => operation.parameters?.some(({ name }) => name === 'cursor'))
  const tries = await Promise.all(
    lists.map(async ({ path }): Promise<Try[]> => {
      const at = path.replaceAll(/\{[^}]+\}/g, encodeURIComponent(owned.job))
      const { body } = await owner.call<{ page?: { nextCursor: string | null } }>('GET', `${at}?limit=1`)
      const cursor = body.page?.nextCursor
      return cursor ? [{ method: 'GET', path: `${at}?limit=200&cursor=${encodeURIComponent(cursor)}` }] : []
    }),
  )
  return tries.flat()
}

/** Whether an answer is about what the owner has: a row of it, or the text that only the owner may read. */
function isAbout(text: string, sent: Try, owned: Owned, mark: string): boolean {
  // The rows of the own tries name what they were about.
  if (sent.path.startsWith('/audit')) return text.includes(`"actor":{"id":"${owned.user}"`)
  if (text.includes(mark) || text.includes(`"ownerId":"${owned.user}"`)) return true
  const asked = `${sent.path} ${JSON.stringify(sent.body)}`
  return [owned.job, owned.execution, owned.notification].some((id) => text.includes(id) && !asked.includes(id))
}

async function tryIdempotency({ owner, other }: World, unexpected: string[]): Promise<number> {
  const body = { jobType: 'DUMMY', schedule: '0 0 1 1 *', name: 'same name' }
  const headers = { 'idempotency-key': `key-${next()}` }
  const first = await owner.call<{ id: string }>('POST', '/jobs', body, headers)
  const again = await other.call<{ id: string }>('POST', '/jobs', body, headers)
  if (again.status !== 201 || again.body.id === first.body.id || again.headers.has('idempotency-replayed')) {
    unexpected.push(`an Idempotency-Key of the owner answers another user: ${JSON.stringify(again.body)}`)
  }
  return 1
}

/** The stream of another user that goes on after an event of the owner: the next event must be the own one. */
async function tryLastEventId({ owner, other }: World, unexpected: string[]): Promise<number> {
  const run = async (caller: Caller) => {
    const job = await caller.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 0 } })
    return job.body.id
  }
  const isOf = (id: string) => (event: { data: unknown }) => JSON.stringify(event.data).includes(id)
  const ownersEvents = await openEvents(owner, '/events')
  const first = await run(owner)
  await ownersEvents.until(isOf(first))
  const lastId = ownersEvents.lastId()
  const second = await run(owner)
  await ownersEvents.until(isOf(second))
  ownersEvents.cut()
  const stream = await openEvents(other, '/events', lastId)
  const own = await run(other)
  await stream.until(isOf(own))
  stream.cut()
  const text = JSON.stringify(stream.events)
  if (text.includes(first) || text.includes(second))
    unexpected.push('a stream after an event of the owner shows others')
  return 1
}

const shown = ({ method, path, body }: Try) =>
  `${method} ${path} ${body === undefined ? '' : JSON.stringify(body)}`.slice(0, 300)

const lanes = 8

/** Ids of another owner in path, query, body and header: no answer about them, and nothing changed. */
export async function checkOwners(world: World): Promise<Finding> {
  const unexpected: string[] = []
  const owned = await makeOwned(world)
  await oneJob(world)
  const tries = [
    ...pathTries(world, owned),
    ...queryTries(world, owned),
    ...bodyTries(world, owned),
    ...otherTries(owned),
    ...(await cursorTries(world, owned)),
  ]
  const callers = [world.other, createCaller(world.url, world.viewerToken)]
  const before = await snapshotOf(world)
  const queue = callers.flatMap((caller) => tries.map((sent) => ({ caller, sent })))
  const checks = queue.length
  const work = async () => {
    for (let one = queue.shift(); one; one = queue.shift()) {
      const { caller, sent } = one
      if (sent.path.startsWith('/events')) continue
      const answer = await caller.call(sent.method, sent.path, sent.body, sent.headers)
      const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
      if (answer.status >= 500 && !isAway(answer)) unexpected.push(`${shown(sent)}: ${answer.status}`)
      if (isAbout(text, sent, owned, world.mark))
        unexpected.push(`${shown(sent)}: ${answer.status} ${text.slice(0, 200)}`)
    }
  }
  await Promise.all(Array.from({ length: lanes }, work))
  const after = await snapshotOf(world)
  if (before !== after) unexpected.push(`the owner has other records than before: ${differences(before, after)}`)
  const more = (await tryIdempotency(world, unexpected)) + (await tryLastEventId(world, unexpected))
  return { what: 'ids of another owner', checks: checks + more, unexpected }
}

function differences(before: string, after: string): string {
  const [old, now] = [new Set(before.split('\n')), new Set(after.split('\n'))]
  const gone = [...old].filter((line) => !now.has(line))
  const come = [...now].filter((line) => !old.has(line))
  return `gone ${gone.slice(0, 5)}, come ${come.slice(0, 5)}`
}
