import { readAll } from '../caller.ts'
import type { Finding } from './matrix.ts'
import { sendRaw } from './raw.ts'
import { next } from './targets.ts'
import { claimsOf, type World } from './world.ts'

const names = [
  ...['x-user', 'x-user-id', 'x-user-name', 'x-user-role', 'x-user-roles', 'x_user_id', 'X-USER-ID', 'x-userid'],
  ...['x-internal', 'x-internal-user', 'x-internal-token', 'x-internal-service', 'x-internal-caller'],
  ...['x-forwarded-user', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-email'],
  ...['x-forwarded-groups', 'x-forwarded-client-cert', 'x-forwarded-access-token', 'x-forwarded-prefix'],
  ...['forwarded', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip', 'x-cluster-client-ip'],
  ...['x-original-url', 'x-rewrite-url', 'x-original-uri', 'x-http-method-override', 'x-method-override'],
  ...['x-remote-user', 'remote-user', 'x-webauth-user', 'x-authenticated-user', 'x-consumer-username'],
  ...['x-owner-id', 'x-roles', 'x-role', 'x-admin', 'x-is-admin', 'x-impersonate-user', 'impersonate-user'],
  ...['x-belfry-user', 'x-belfry-service', 'x-request-user', 'x-tenant-id', 'x-job-owner', 'from', 'cookie'],
]

interface Identity {
  readonly id: string
  readonly username: string
}

function identitiesOf({ admin, owner }: World): Identity[] {
  return [admin, owner].map(({ token }) => {
    const { sub, name } = claimsOf(token ?? '')
    return { id: String(sub), username: String(name) }
  })
}

function valuesOf(world: World): string[] {
  return identitiesOf(world).flatMap(({ id, username }) => [id, username])
}

/** What the answer to `GET /auth/me` says, and to a new job: its owner. */
async function trySpoof(world: World, headers: Record<string, string>, unexpected: string[]): Promise<void> {
  const { other } = world
  const own = String(claimsOf(other.token ?? '').sub)
  const what = JSON.stringify(headers)
  const me = await other.call<{ id: string; roles: string[] }>('GET', '/auth/me', undefined, headers)
  if (me.status !== 200 || me.body.id !== own || String(me.body.roles) !== 'user') {
    unexpected.push(`${what}: GET /auth/me answers ${me.status} ${JSON.stringify(me.body).slice(0, 200)}`)
  }
  const body = { jobType: 'DUMMY', schedule: '0 0 1 1 *', key: `spoof-${next()}` }
  const made = await other.call<{ id: string; ownerId: string }>('POST', '/jobs', body, headers)
  if (made.body.ownerId !== own)
    unexpected.push(`${what}: POST /jobs answers ${JSON.stringify(made.body).slice(0, 200)}`)
}

interface AuditRow {
  readonly actor: { readonly id: string }
}

/** The audit rows of what the spoofs made: their actor is the caller, and the address that of the connection. */
async function checkAudit(world: World, unexpected: string[]): Promise<void> {
  const own = claimsOf(world.other.token ?? '').sub
  for (const { id } of identitiesOf(world)) {
    const { body } = await world.admin.call('GET', `/audit?limit=200&q=${id}`)
    if (JSON.stringify(body).includes('spoof-')) unexpected.push(`a row of the audit of ${id} is about a spoof`)
  }
  for (const row of await readAll<AuditRow>(world.other, '/audit')) {
    const text = JSON.stringify(row)
    if (row.actor.id !== own) unexpected.push(`the audit of the caller has the row of another one: ${text}`)
    if (text.includes('203.0.113.9')) unexpected.push(`a spoofed address: ${text}`)
  }
}

/** `Connection` names what a hop must remove: none of it may remove who calls, or let the request through without a check. */
const connections = ['authorization', 'close, authorization', 'x-request-id, Authorization', 'host', 'x-user-id']

async function tryConnections({ url, other, admin }: World, unexpected: string[]): Promise<number> {
  const own = String(claimsOf(other.token ?? '').sub)
  for (const named of connections) {
    const head = `host: 127.0.0.1\r\nauthorization: Bearer ${other.token}\r\nx-user-id: ${claimsOf(admin.token ?? '').sub}\r\n`
    const text = await sendRaw(url, `GET /auth/me HTTP/1.1\r\n${head}connection: ${named}\r\n\r\n`)
    if (!text.startsWith('HTTP/1.1 200') || !text.includes(own))
      unexpected.push(`Connection: ${named}: ${text.slice(0, 80)}`)
  }
  return connections.length
}

/**
 * Requests whose end two parsers could see at different places. The second request that they hide carries no token (or would be
 * internal), so that an answer of success to it would mean that it was taken for a part of another one.
 */
function smugglingShapes(token: string): string[] {
  const hidden = `GET /auth/me HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`
  const internal = `GET /internal/jobs/changes HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`
  const head = `POST /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n`
  const both = (inner: string) => [
    `${head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    `${head}content-length: ${5 + inner.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    `${head}transfer-encoding: xchunked\r\ncontent-length: 2\r\n\r\n{}${inner}`,
    `${head}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${inner}`,
    `${head}transfer-encoding: identity\r\ncontent-length: 2\r\n\r\n{}${inner}`,
    `${head}transfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n0\r\n\r\n${inner}`,
    `${head}transfer-encoding : chunked\r\ncontent-length: 2\r\n\r\n{}${inner}`,
    `${head}transfer-encoding:\tchunked\r\ncontent-length: 2\r\n\r\n{}${inner}`,
    `${head} transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}${inner}`,
    `${head}x: y\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}${inner}`,
    `${head}content-length: 2\r\ncontent-length: ${2 + inner.length}\r\n\r\n{}${inner}`,
    `${head}content-length: 2, ${2 + inner.length}\r\n\r\n{}${inner}`,
    `${head}content-length: +2\r\n\r\n{}${inner}`,
    `${head}content-length: 0x2\r\n\r\n{}${inner}`,
    `${head}content-length: 2 \r\n\r\n{}${inner}`,
    `${head}content-length: -2\r\n\r\n{}${inner}`,
    `${head}transfer-encoding: chunked\r\n\r\n2;x=\n${inner}\r\n{}\r\n0\r\n\r\n`,
    `${head}transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n${inner}`,
    `${head}transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n${inner}`,
    `${head}transfer-encoding: chunked\r\n\r\n0\r\nx-user-id: root\r\nauthorization: Bearer x\r\n\r\n${inner}`,
    `${head}expect: 100-continue\r\ncontent-length: 2\r\n\r\n{}${inner}`,
    `${head}upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\ncontent-length: 0\r\n\r\n${inner}`,
    `GET /auth/me HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${inner.length}\r\n\r\n${inner}`,
    `GET /auth/me\r\n\r\n${inner}`,
    `GET /auth/me HTTP/1.0\r\nconnection: keep-alive\r\n\r\n${inner}`,
    `GET /auth/me HTTP/0.9\r\n\r\n${inner}`,
    `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${inner}`,
    `${head.replace('/jobs', '/jobs%20HTTP/1.1%0d%0ahost:%20x%0d%0a%0d%0a')}content-length: 2\r\n\r\n{}${inner}`,
  ]
  const targets = [
    `GET http://127.0.0.1:1/internal/jobs/changes HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`,
    ...['//internal/jobs/changes', '/jobs/../internal/jobs/changes', '/jobs/%2e%2e/internal/jobs/changes'].map(
      (path) => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`,
    ),
    ...[
      '/jobs/..%2finternal/jobs/changes',
      '/jobs/..;/internal/breakers',
      '/INTERNAL/breakers',
      '/./internal/breakers',
    ].map((path) => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`),
    ...['/api/internal/breakers', '/v1/internal/breakers', '/api/v1/internal/breakers', '/jobs/%00/../internal'].map(
      (path) => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`,
    ),
  ]
  return [...both(hidden), ...both(internal), ...targets]
}

async function trySmuggling({ url, other }: World, unexpected: string[]): Promise<number> {
  const shapes = smugglingShapes(other.token ?? '')
  const answers = await Promise.all(shapes.map(async (shape) => ({ shape, text: await sendRaw(url, shape) })))
  for (const { shape, text } of answers) {
    const isIn = /HTTP\/1\.1 2\d\d /.test(text)
    if (isIn) unexpected.push(`${JSON.stringify(shape.slice(0, 400))}: ${text.slice(0, 120)}`)
  }
  return shapes.length
}

/** Headers and shapes of requests that claim another identity: it stays that of the token. */
export async function checkSpoofing(world: World): Promise<Finding> {
  const unexpected: string[] = []
  const spoofs = names.flatMap((name) =>
    [...valuesOf(world), 'admin', '203.0.113.9'].map((value) => ({ [name]: value })),
  )
  for (const spoof of spoofs) await trySpoof(world, spoof as Record<string, string>, unexpected)
  const connected = await tryConnections(world, unexpected)
  const smuggled = await trySmuggling(world, unexpected)
  await checkAudit(world, unexpected)
  const checks = spoofs.length + connected + smuggled
  return {
    what: 'spoofed headers and smuggled requests',
    checks,
    unexpected,
    more: { spoofs: spoofs.length, smuggled },
  }
}
