import { createPrivateKey, type KeyObject, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Role } from '@belfry/contracts'
import { openStandalone } from '@belfry/standalone'
import { forgeToken } from '@belfry/testkit'
import { type AddressedOperation, type ApiDocument, operationsOf, readApiDocument } from '../../test/api-document.ts'
import { eventually, makeDataDir, raisedLimits } from '../belfry-process.ts'
import { type Caller, createCaller, signUp } from '../caller.ts'
import { type LiveRoute, watchServices } from './live-routes.ts'

/** How an actor stands to what belongs to the owner. */
type Relation = 'owner' | 'shared' | 'stranger'

/** One who calls, with everything that decides what the answer has to be. */
export interface Actor {
  readonly name: string
  /** `none`, `bad`: no token, or none that holds. `key`: an API key. `service`: the token of a service. */
  readonly kind: 'none' | 'bad' | 'token' | 'key' | 'service'
  readonly role: Role | null
  readonly relation: Relation
  /** The value of `Authorization`, at the moment of the call. */
  authorization(): string | undefined
}

/** The key with which auth-service signs, so that a proof can make tokens that are wrong in one thing only. */
export interface SigningKey {
  readonly kid: string
  readonly key: KeyObject
  /** The public half, as it is in the store. */
  readonly publicX: string
}

export interface World {
  readonly url: string
  readonly key: SigningKey
  readonly routes: readonly LiveRoute[]
  readonly document: ApiDocument
  readonly operations: readonly AddressedOperation[]
  readonly owner: Caller
  readonly ownerId: string
  readonly admin: Caller
  readonly other: Caller
  /** The token of a user who may only read. */
  readonly viewerToken: string | null
  /** The names of those with whom the owner's jobs are shared. */
  readonly sharedNames: readonly string[]
  readonly actors: readonly Actor[]
  /** A text that stands in what the owner has stored, and that only the owner and viewers may read. */
  readonly mark: string
  /** Makes the services call each other: their tokens hold for 30 s. */
  renewServiceToken(): Promise<void>
  close(): Promise<void>
}

const password = 'correct horse battery'

/** Limits that are tested elsewhere, and that the calls of a matrix would meet. */
export const settings = {
  ...raisedLimits,
  BELFRY_AUTH_LOGINS_PER_MINUTE: '100000',
  BELFRY_AUTH_SESSIONS_PER_USER: '500',
  BELFRY_AUTH_API_KEYS_PER_USER: '1000',
  BELFRY_GATEWAY_REFRESHES_PER_MINUTE: '100000',
  BELFRY_GATEWAY_UNKNOWN_API_KEYS_PER_MINUTE: '100000',
  BELFRY_JOB_MOST_NOTIFICATIONS: '1000',
  BELFRY_JOB_MOST_SECRETS: '1000',
  BELFRY_LOG_LEVEL: 'error',
  // What still runs at the end is of no interest.
  BELFRY_SHUTDOWN_GRACE_MS: '200',
}

/** The file of auth-service, read while no process has it open. */
function readSigningKey(dataDir: string): SigningKey {
  const db = new DatabaseSync(join(dataDir, 'auth.db'))
  const row = db.prepare('SELECT kid, private_pem AS pem, public_x AS x FROM signing_keys').get()
  db.close()
  return { kid: String(row?.kid), key: createPrivateKey(String(row?.pem)), publicX: String(row?.x) }
}

/** Waits until the document has the operations of all services: one that could not be asked in time is left out for a while. */
function readWholeDocument(caller: Caller, { routes }: Entered): Promise<ApiDocument> {
  const ids = new Set(routes().flatMap(({ access, operationId }) => (access === 'service' ? [] : (operationId ?? []))))
  return eventually('a description of all services', async () => {
    const document = await readApiDocument(caller)
    const known = new Set(operationsOf(document).map(({ operation }) => operation.operationId))
    return ids.isSubsetOf(known) ? document : undefined
  })
}

interface Person {
  readonly id: string
  readonly name: string
  readonly caller: Caller
}

async function enter(url: string, name: string): Promise<Person> {
  const caller = await signUp(url, name)
  const { body } = await caller.call<{ id: string }>('GET', '/auth/me')
  return { id: body.id, name, caller }
}

/** A user with this role, logged in after the role was given. */
async function enterAs(admin: Caller, role: Role): Promise<Person> {
  const { id, name } = await enter(admin.url, `the-${role}`)
  await admin.call('PATCH', `/auth/users/${id}`, { roles: [role] })
  return enter(admin.url, name)
}

async function makeAdmin(url: string, token: string): Promise<Caller> {
  const anonymous = createCaller(url, null)
  await anonymous.call('POST', '/auth/bootstrap', { token, username: 'the-admin', password })
  const { body } = await anonymous.call<{ token: string }>('POST', '/auth/login', { username: 'the-admin', password })
  return createCaller(url, body.token)
}

async function apiKeyOf(caller: Caller, role?: Role): Promise<string> {
  const { body } = await caller.call<{ key: string }>('POST', '/auth/api-keys', {
    name: 'proof',
    ...(role && { role }),
  })
  return body.key
}

/** The claims of a token, without a check. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

const bearer = (token: string | null) => () => `Bearer ${token}`

/** The same token with the last bit of its signature changed. */
function doctored(token: string): string {
  const at = token.lastIndexOf('.') + 1
  const seal = Buffer.from(token.slice(at), 'base64url')
  seal[0] = (seal[0] ?? 0) ^ 1
  return token.slice(0, at) + seal.toString('base64url')
}

/** A Belfry that runs, and what a proof has to know of it. */
export interface Entered {
  readonly url: string
  readonly key: SigningKey
  readonly bootstrapToken: string
  routes(): readonly LiveRoute[]
  /** A token with which one service calls another; undefined before the first such call. */
  serviceToken(): string | undefined
  close(): Promise<void>
}

/** A Belfry in this process, and callers of every kind. */
export async function openWorld(): Promise<World> {
  const folder = await makeDataDir()
  const bootstrapToken = randomBytes(32).toString('hex')
  const env = { ...settings, BELFRY_DATA_DIR: folder.path, BELFRY_BOOTSTRAP_TOKEN: bootstrapToken, BELFRY_PORT: '0' }
  await (await openStandalone(env)).stop()
  const key = readSigningKey(folder.path)
  const services = watchServices()
  const { url, stop } = await openStandalone(env)
  return enterWorld({
    ...{ url, key, bootstrapToken, routes: services.routes, serviceToken: services.serviceToken },
    async close() {
      services.stop()
      await stop()
      await folder.remove()
    },
  })
}

/** Callers of every kind, in a Belfry that has no user yet. */
export async function enterWorld(belfry: Entered): Promise<World> {
  const { url, key, bootstrapToken } = belfry
  const admin = await makeAdmin(url, bootstrapToken)
  const owner = await enter(url, 'the-owner')
  const other = await enter(url, 'the-other')
  const shared = await enter(url, 'the-shared')
  const sharedReader = await enterAs(admin, 'viewer')
  const reader = await enter(url, 'the-reader')
  await admin.call('PATCH', `/auth/users/${reader.id}`, { roles: ['viewer'] })
  const viewer = await enter(url, reader.name)
  const operator = await enterAs(admin, 'operator')
  const keys = {
    user: await apiKeyOf(other.caller),
    viewer: await apiKeyOf(viewer.caller),
    ownersReader: await apiKeyOf(owner.caller, 'viewer'),
  }
  const ownerToken = owner.caller.token ?? ''
  const now = Math.floor(Date.now() / 1000)
  const over = { ...claimsOf(ownerToken), iat: now - 2000, exp: now - 1000 }
  const expired = forgeToken({ alg: 'EdDSA', typ: 'JWT', kid: key.kid }, over, key.key)
  const actor = (name: string, relation: Relation, role: Role, { caller }: { caller: Caller }): Actor => {
    return { name, kind: 'token', role, relation, authorization: bearer(caller.token) }
  }
  const ofKey = (name: string, relation: Relation, role: Role, text: string): Actor => {
    return { name, kind: 'key', role, relation, authorization: bearer(text) }
  }
  const unknown = { role: null, relation: 'stranger' } as const
  const actors: Actor[] = [
    { name: 'no token', kind: 'none', ...unknown, authorization: () => undefined },
    { name: 'expired token', kind: 'bad', ...unknown, authorization: bearer(expired) },
    { name: 'doctored token', kind: 'bad', ...unknown, authorization: bearer(doctored(ownerToken)) },
    { name: 'service token', kind: 'service', ...unknown, authorization: () => `Bearer ${belfry.serviceToken()}` },
    actor('viewer', 'stranger', 'viewer', viewer),
    actor('other user', 'stranger', 'user', other),
    actor('shared viewer', 'shared', 'user', shared),
    actor('shared viewer, role viewer', 'shared', 'viewer', sharedReader),
    actor('operator', 'stranger', 'operator', operator),
    actor('admin', 'stranger', 'admin', { caller: admin }),
    ofKey('API key of a user', 'stranger', 'user', keys.user),
    ofKey('API key of a viewer', 'stranger', 'viewer', keys.viewer),
    ofKey('read-only API key of the owner', 'owner', 'viewer', keys.ownersReader),
    actor('owner', 'owner', 'user', owner),
  ]
  // For an API key that it does not know, the gateway calls auth-service.
  const renewServiceToken = async () => {
    const strange = `bfk_${randomBytes(16).toString('hex')}_${'A'.repeat(43)}`
    await createCaller(url, strange).call('GET', '/auth/me')
  }
  await renewServiceToken()
  await eventually('a call between services', async () => belfry.serviceToken())
  const document = await readWholeDocument(owner.caller, belfry)
  return {
    ...{ url, key, admin, actors, routes: belfry.routes() },
    document,
    operations: operationsOf(document),
    owner: owner.caller,
    ownerId: owner.id,
    other: other.caller,
    viewerToken: viewer.caller.token,
    sharedNames: [shared.name, sharedReader.name],
    renewServiceToken,
    mark: `mark-${randomBytes(8).toString('hex')}`,
    close: () => belfry.close(),
  }
}
