import { type CreateApiKeyBody, type Refusal, type Role, refusal } from '@belfry/contracts'
import type { Clock, Ids, Logger } from '@belfry/service'
import type { Admins } from '../accounts/admins.ts'
import type { User } from '../accounts/user.ts'
import type { ApiKeyStore, UserStore } from '../store/ports.ts'
import { type ApiKey, lowerRole, newApiKey, opensKey, readApiKey } from './api-key.ts'

export interface ApiKeysDeps {
  readonly apiKeys: ApiKeyStore
  readonly users: UserStore
  readonly admins: Admins
  readonly clock: Pick<Clock, 'now'>
  readonly ids: Ids
  readonly log: Logger
  readonly mostPerUser: number
  /** How exact the time of the last use is, milliseconds: uses within it write nothing. */
  readonly lastUseMs: number
}

/** What a key opens: its user, with the role that the key has just now. */
interface OpenedKey {
  readonly user: User
  readonly role: Role
  readonly keyId: string
}

export interface ApiKeys {
  /** A new key with its text; or `impossible` (the role, the time), `quota-exceeded`, `unauthenticated` (the user is gone). */
  create(userId: string, body: CreateApiKeyBody): Promise<{ readonly key: ApiKey; readonly text: string } | Refusal>
  /** The keys of a user, the newest first. */
  list(userId: string): Promise<readonly ApiKey[]>
  /** Removes a key of the user; answers whether there was one. */
  remove(userId: string, id: string): Promise<boolean>
  /** What the text of a key opens now; undefined for a key that is not taken. */
  open(text: string): Promise<OpenedKey | undefined>
}

/** The most that a key may do unless more is asked for: a key that may make admins is asked for by name. */
const highestByDefault: Role = 'operator'

const gone = refusal('unauthenticated', 'The user of this token does not exist any more.')

function beyond(role: Role): Refusal {
  const detail = `must be at most your own role, "${role}"`
  return refusal('impossible', 'A key cannot do more than its owner.', {
    errors: [{ pointer: '/role', code: 'beyond-own-role', detail }],
  })
}

const past = refusal('impossible', 'The key would have ended already.', {
  errors: [{ pointer: '/expiresAt', code: 'in-the-past', detail: 'must be in the future' }],
})

export function createApiKeys(deps: ApiKeysDeps): ApiKeys {
  const { apiKeys, users, admins, clock, ids, log, mostPerUser, lastUseMs } = deps

  const tooMany = refusal('quota-exceeded', `You have ${mostPerUser} API keys, which is the most: delete one first.`)

  /** Stores the key unless it is one too many. It is counted afterwards, so that calls at the same moment cannot pass the bound. */
  const insert = async (key: ApiKey): Promise<Refusal | undefined> => {
    if ((await apiKeys.listOfUser(key.userId)).length >= mostPerUser) return tooMany
    await apiKeys.insert(key)
    if ((await apiKeys.listOfUser(key.userId)).length <= mostPerUser) return undefined
    await apiKeys.remove(key.id, key.userId)
    return tooMany
  }

  const touch = async (key: ApiKey, now: number) => {
    if (key.lastUsedAt !== null && now - key.lastUsedAt < lastUseMs) return
    await apiKeys
      .touch(key.id, now)
      .catch((err: unknown) => log.warn({ err, apiKeyId: key.id }, 'the last use of an API key could not be stored'))
  }

  return {
    async create(userId, { name, role: wanted, expiresAt, expiresIn }) {
      const user = await users.findById(userId)
      if (!user) return gone
      const own = await admins.roleOf(user)
      const role = wanted ?? lowerRole(own, highestByDefault)
      if (lowerRole(role, own) !== role) return beyond(own)
      const now = clock.now()
      const end = expiresIn === undefined ? (expiresAt ?? null) : now + expiresIn
      if (end !== null && end <= now) return past
      const made = newApiKey({ uuid: ids.uuid(), userId, name, role, createdAt: now, expiresAt: end })
      const refused = await insert(made.key)
      if (refused) return refused
      log.info({ userId, apiKeyId: made.key.id, role }, 'an API key is made')
      return made
    },
    async list(userId) {
      const all = await apiKeys.listOfUser(userId)
      return all.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
    },
    async remove(userId, id) {
      const isRemoved = await apiKeys.remove(id, userId)
      if (isRemoved) log.info({ userId, apiKeyId: id }, 'an API key is deleted')
      return isRemoved
    },
    async open(text) {
      const read = readApiKey(text)
      if (!read) return undefined
      const key = await apiKeys.find(read.id)
      const now = clock.now()
      if (!opensKey(key, read.secret, now)) return undefined
      const user = await users.findById(key.userId)
      if (!user) return undefined
      const { role: own, isDisabled } = await admins.stateOf(user)
      if (isDisabled) return undefined
      await touch(key, now)
      return { user, role: lowerRole(key.role, own), keyId: key.id }
    },
  }
}
