import { type ApiKeyView, type Role, roles, toWireTime } from '@belfry/contracts'
import { hashOf, isSameHash, newSecret, readToken, writeToken } from '../tokens/opaque-token.ts'

/** An API key as stored. Times are epoch milliseconds. */
export interface ApiKey {
  /** `key-` and a UUID. */
  readonly id: string
  readonly userId: string
  readonly name: string
  /** The most that the key may do; its owner may be allowed less. */
  readonly role: Role
  readonly hash: string
  readonly createdAt: number
  /** Null for never. */
  readonly expiresAt: number | null
  /** Null until the first use. */
  readonly lastUsedAt: number | null
}

const tokenPrefix = 'bfk'
const idPrefix = 'key-'

const uuidOf = (id: string) => id.slice(idPrefix.length)

/** A new key and its text, which is shown once. `uuid` comes from the injected ids. */
export function newApiKey(from: Omit<ApiKey, 'id' | 'hash' | 'lastUsedAt'> & { readonly uuid: string }) {
  const { uuid, ...rest } = from
  const secret = newSecret()
  const key: ApiKey = { ...rest, id: `${idPrefix}${uuid}`, hash: hashOf(secret), lastUsedAt: null }
  return { key, text: writeToken(tokenPrefix, { uuid, secret }) }
}

/** The id and the secret in the text of a key; undefined for any other text. */
export function readApiKey(text: string): { id: string; secret: string } | undefined {
  const read = readToken(tokenPrefix, text)
  return read && { id: `${idPrefix}${read.uuid}`, secret: read.secret }
}

/** Whether the secret opens the key now. An unknown key costs the same comparison. */
export function opensKey(key: ApiKey | undefined, secret: string, now: number): key is ApiKey {
  const isRight = isSameHash(hashOf(secret), key?.hash ?? hashOf(''))
  return key !== undefined && isRight && (key.expiresAt === null || now < key.expiresAt)
}

/** The lower of two roles (viewer < user < operator < admin). */
export function lowerRole(a: Role, b: Role): Role {
  return roles[Math.min(roles.indexOf(a), roles.indexOf(b))] as Role
}

/** The key as its owner sees it. */
export function apiKeyViewOf({ id, name, role, createdAt, expiresAt, lastUsedAt }: ApiKey): ApiKeyView {
  const times = {
    createdAt: toWireTime(createdAt),
    expiresAt: toWireTime(expiresAt),
    lastUsedAt: toWireTime(lastUsedAt),
  }
  return { id, name, prefix: `${tokenPrefix}_${uuidOf(id).replaceAll('-', '')}`, role, ...times }
}
