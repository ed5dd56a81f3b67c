import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startMailServer } from '../../apps/job-service/test/mail-server.ts'
import { eventually, raisedLimits } from '../../proof/belfry-process.ts'
import { type Caller, createCaller, signUp } from '../../proof/caller.ts'
import { openOneProcess } from '../../proof/one-process.ts'
import { type AddressedOperation, type ApiDocument, operationsOf, readApiDocument, resolve } from '../api-document.ts'

/** One call of an operation: who makes it, to which address, and with which body in place of an example's. */
interface Call {
  readonly caller: Caller
  readonly path: string
  readonly body?: unknown
}

const password = 'correct horse battery'
const bootstrapToken = randomBytes(32).toString('hex')
let url = ''
let anonymous: Caller
let user: Caller
let admin: Caller
let document: ApiDocument
let operations: AddressedOperation[]
let close = async () => {}
let mailServer: Awaited<ReturnType<typeof startMailServer>>
/** Takes every message of a webhook. */
const hook = createServer((_request, reply) => reply.writeHead(204).end())

beforeAll(async () => {
  await new Promise<void>((listening) => hook.listen(0, '127.0.0.1', listening))
  mailServer = await startMailServer()
  const belfry = await openOneProcess({
    BELFRY_SMTP_URL: mailServer.url,
    BELFRY_LOG_LEVEL: 'error',
    BELFRY_BOOTSTRAP_TOKEN: bootstrapToken,
    BELFRY_AUTH_LOGINS_PER_MINUTE: '10000',
    BELFRY_JOB_NOTIFY_ALLOW_PRIVATE: 'true',
    ...raisedLimits,
  })
  url = belfry.url
  close = async () => {
    await belfry.close()
    hook.close()
    await mailServer.close()
  }
  anonymous = createCaller(url, null)
  user = await signUp(url)
  document = await readApiDocument(anonymous)
  operations = operationsOf(document)
})
afterAll(() => close())

interface Tokens {
  readonly token: string
  readonly refreshToken: string
}

async function logIn(username: string): Promise<Tokens> {
  return (await anonymous.call<Tokens>('POST', '/auth/login', { username, password })).body
}

let made = 0
const nextName = () => `name-${++made}`

async function makeJob(fields: object = {}): Promise<string> {
  const job = await user.call<{ id: string }>('POST', '/jobs', {
    jobType: 'DUMMY',
    params: { durationMs: 0 },
    ...fields,
  })
  expect(job.status, JSON.stringify(job.body)).toBe(201)
  return job.body.id
}

/** An execution of a new job that has ended with this status. */
async function makeExecution(status: string, fields: object): Promise<string> {
  const id = await makeJob(fields)
  const started = await user.call<{ id: string }>('POST', `/jobs/${id}/trigger`)
  const ended = eventually(`an execution that is ${status}`, async () => {
    const { body } = await user.call<{ status: string }>('GET', `/executions/${started.body.id}`)
    return body.status === status ? started.body.id : undefined
  })
  return ended
}

const makeFailure = () => makeExecution('FAILED', { params: { durationMs: 0, fail: 1 }, retry: { maxRetries: 0 } })

async function makeNotification(): Promise<string> {
  const target = { type: 'webhook', url: `http://127.0.0.1:${(hook.address() as AddressInfo).port}/` }
  const { body } = await user.call<{ id: string }>('POST', '/notifications', { name: 'n', on: ['failed'], target })
  return body.id
}

/** A notification by mail to an address of its own, with the code that was sent there. */
async function makeMailNotification(): Promise<{ id: string; code: string }> {
  const target = { type: 'email', to: `${nextName()}@example.com` }
  const { body } = await user.call<{ id: string }>('POST', '/notifications', { name: 'n', on: ['failed'], target })
  const code = await eventually('the code for the address', async () => {
    const mail = mailServer.mails.find((text) => text.includes(target.to))
    return /Code: ([A-Z2-9-]+)/.exec(mail ?? '')?.[1]
  })
  return { id: body.id, code }
}

/** A value for each id in an address, by the part of the address before it. */
const ids: Readonly<Record<string, () => Promise<string>>> = {
  '/jobs/': () => makeJob(),
  '/executions/': makeFailure,
  '/job-types/': async () => 'DUMMY',
  '/secrets/': async () => {
    const name = `SECRET_${++made}`
    await user.call('PUT', `/secrets/${name}`, { value: 'a value' })
    return name
  },
  '/notifications/': makeNotification,
  '/notifications/deliveries/': async () => {
    const notification = `/notifications/${await makeNotification()}`
    const { body } = await user.call<{ id: string }>('POST', `${notification}/test`)
    return eventually('the delivery of a test message', async () => {
      const list = await user.call<{ data: { status: string }[] }>('GET', `${notification}/deliveries`)
      return list.body.data[0]?.status === 'delivered' ? body.id : undefined
    })
  },
  '/auth/api-keys/': async () => (await user.call<{ id: string }>('POST', '/auth/api-keys', { name: 'key' })).body.id,
  '/auth/users/': async () => {
    const made = await admin.call<{ id: string }>('POST', '/auth/users', { username: nextName(), password })
    return made.body.id
  },
}

/** Operations whose ids must be of records in a certain state. */
const special: Readonly<Record<string, (example: unknown) => Promise<Partial<Call>>>> = {
  putJob: async () => ({ path: `/jobs/${nextName()}` }),
  explainRun: async () => ({ path: `/jobs/${await makeJob()}/why?at=-1m` }),
  backfillJob: async () => ({ path: `/jobs/${await makeJob({ schedule: '0 * * * *' })}/backfill` }),
  putSecret: async () => ({ path: '/secrets/TOKEN' }),
  cancelExecution: async () => {
    const job = await makeJob({ params: { durationMs: 60_000 } })
    const { body } = await user.call<{ id: string }>('POST', `/jobs/${job}/trigger`)
    return { path: `/executions/${body.id}/cancel` }
  },
  getArtifact: async () => {
    const fields = { jobType: 'REPORT', params: { reportType: 'daily-sales' } }
    const { body } = await user.call<{ links: Record<string, string> }>(
      'GET',
      `/executions/${await makeExecution('SUCCESS', fields)}`,
    )
    return { path: Object.entries(body.links).find(([relation]) => relation.startsWith('artifact:'))?.[1] ?? '' }
  },
  makeFirstAdmin: async (example) => ({ body: { ...(example as object), token: bootstrapToken } }),
  acceptInvitation: async (example) => {
    const user = await admin.call<{ invitation: { token: string } }>('POST', '/auth/users', { username: nextName() })
    return { body: { ...(example as object), token: user.body.invitation.token } }
  },
  refreshLogin: async () => ({ body: { refreshToken: (await newLogin()).refreshToken } }),
  logOut: async () => ({ body: { refreshToken: (await newLogin()).refreshToken } }),
  confirmNotification: async (example) => {
    const { id, code } = await makeMailNotification()
    return { path: `/notifications/${id}/confirm`, body: { ...(example as object), code } }
  },
  sendNotificationCode: async () => ({ path: `/notifications/${(await makeMailNotification()).id}/send-code` }),
  changePassword: async () => ({ caller: createCaller(url, (await newLogin()).token) }),
}

async function newLogin(): Promise<Tokens> {
  const username = nextName()
  await anonymous.call('POST', '/auth/signup', { username, password })
  return logIn(username)
}

/** `/jobs/{id}` with an id that is there. */
async function fill(path: string, operationId: string): Promise<string> {
  const [before = '', ...rest] = path.split(/\{[^}]+\}/)
  if (rest.length === 0) return path
  const id = ids[before]
  if (rest.length > 1 || id === undefined)
    throw new Error(`this test has no value for the ids of ${operationId}: add it`)
  return `${before}${encodeURIComponent(await id())}${rest[0]}`
}

/** The operations that only an operator or an admin may call. */
const isForAdmins = ({ operation: { description = '' } }: AddressedOperation) =>
  /Needs the role `(?:admin|operator)`/.test(description)

async function callOf(one: AddressedOperation, example?: unknown): Promise<Call> {
  const operationId = one.operation.operationId ?? ''
  const own = (await special[operationId]?.(example)) ?? {}
  const caller = one.operation.security?.length === 0 ? anonymous : isForAdmins(one) ? admin : user
  return { caller, body: example, ...own, path: own.path ?? (await fill(one.path, operationId)) }
}

/** Whether a body is as the document says; the issues when it is not. */
function issuesOf({ operation }: AddressedOperation, status: number, body: unknown, type: string): unknown {
  const answer = operation.responses[status] ?? (status >= 400 ? operation.responses.default : undefined)
  if (answer === undefined) return `the document has no answer ${status}: ${JSON.stringify(body)}`
  const content = resolve(document, answer).content?.[type]
  if (content?.schema === undefined)
    return status === 204 ? null : `the document has no ${type} in the answer ${status}`
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'api', components: document.components })
  const schema = JSON.parse(JSON.stringify(content.schema).replaceAll('"#/components', '"api#/components'))
  return ajv.validate(schema, body) ? null : ajv.errors
}

async function send(one: AddressedOperation, { caller, path, body }: Call) {
  const answer = await caller.call(one.method, path, body)
  const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? ''
  return { ...answer, type }
}

/** An operation whose answer goes on until its reader leaves. */
const isStream = ({ operation: { responses } }: AddressedOperation) =>
  Object.keys(responses[200]?.content ?? {}).includes('text/event-stream')

const withBody = (one: AddressedOperation) => one.operation.requestBody !== undefined

/** In the order in which they can be called: the first admin is there before what an admin may do, and a drain comes last. */
function inOrder(some: readonly AddressedOperation[]): AddressedOperation[] {
  const order = ['makeFirstAdmin', undefined, 'drainSystem']
  const rank = ({ operation: { operationId } }: AddressedOperation) => {
    const at = order.indexOf(operationId)
    return at < 0 ? 1 : at
  }
  return some.toSorted((a, b) => rank(a) - rank(b))
}

describe('every example of the API description', () => {
  it('works as it stands, and is answered as the description says', async () => {
    for (const one of inOrder(operations.filter(withBody))) {
      const examples = Object.entries(one.operation.requestBody?.content ?? {}).flatMap(([, content]) =>
        Object.entries(content.examples ?? {}),
      )
      expect(examples.length, one.name).toBeGreaterThan(0)
      for (const [name, { value }] of examples) {
        const answer = await send(one, await callOf(one, value))
        expect([one.name, name, answer.status < 300 ? 'ok' : answer]).toEqual([one.name, name, 'ok'])
        expect([one.name, name, issuesOf(one, answer.status, answer.body, answer.type)]).toEqual([one.name, name, null])
        if (one.operation.operationId === 'makeFirstAdmin') {
          admin = createCaller(url, (await logIn((value as { username: string }).username)).token)
        }
      }
    }
    // What follows needs executions that start.
    expect((await admin.call('POST', '/system/resume')).status).toBe(200)
  }, 120_000)

  it('is there for each job type, with the params that the job type itself has for an example', async () => {
    const { body } = await user.call<{ data: { type: string; examples: object[] }[] }>('GET', '/job-types')
    const { examples = {} } = document.paths['/jobs']?.post?.requestBody?.content['application/json'] ?? {}
    const shown = Object.values(examples).map(({ value }) => value as { jobType: string; params?: object })
    for (const { type, examples } of body.data) {
      const params = shown.filter(({ jobType }) => jobType === type).map((one) => one.params)
      expect(params).toEqual(expect.arrayContaining(examples))
    }
    expect(shown[0]).toMatchObject({ jobType: 'DUMMY' })
  })
})

describe('every operation without a body', () => {
  it('answers as the description says', async () => {
    const others = operations.filter((one) => !withBody(one) && one.operation.operationId !== 'followEvents')
    // Deletes and the like come last: reads find what is there.
    for (const one of others.toSorted((a, b) => a.method.localeCompare(b.method) * -1)) {
      const answer = await send(one, await callOf(one))
      expect([one.name, answer.status < 300 ? 'ok' : answer]).toEqual([one.name, 'ok'])
      if (answer.type !== 'application/json') continue
      expect([one.name, issuesOf(one, answer.status, answer.body, answer.type)]).toEqual([one.name, null])
    }
  }, 120_000)
})

describe('every refusal', () => {
  it('is one that the description has', async () => {
    for (const one of operations) {
      const unknown = one.path.replaceAll(/\{[^}]+\}/g, 'exe-0-00000000-0000-7000-8000-000000000000')
      const caller = one.operation.security?.length === 0 ? anonymous : isForAdmins(one) ? admin : user
      const calls: Call[] = [
        { caller, path: `${unknown}?nothing=1` },
        { caller: anonymous, path: unknown },
        { caller, path: unknown, body: withBody(one) ? { nothing: 1 } : undefined },
        { caller: user, path: unknown },
      ]
      // The others would open a stream.
      const some = isStream(one) ? calls.slice(0, 2) : calls
      for (const call of one.method === 'GET' ? some.map(({ body: _body, ...rest }) => rest) : some) {
        const answer = await send(one, call)
        if (answer.status < 400) continue
        const described = `${one.name} ${call.path} ${answer.status}`
        expect([described, issuesOf(one, answer.status, answer.body, answer.type)]).toEqual([described, null])
      }
    }
  }, 120_000)
})
