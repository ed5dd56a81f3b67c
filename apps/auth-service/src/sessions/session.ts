import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { hashOf, isSameHash } from '../tokens/opaque-token.ts'

/** One login that can be refreshed: the chain of its refresh tokens (RFC 9700, 4.14.2). Times are epoch milliseconds. */
export interface Session {
  /** A UUID. */
  readonly id: string
  readonly userId: string
  /** The `generation` of the user at the login: a session of an earlier one is void. */
  readonly generation: number
  readonly createdAt: number
  readonly expiresAt: number
  /** The hash of the newest refresh token. */
  readonly hash: string
  /** When the newest refresh token was made. */
  readonly rotatedAt: number
  /** The token before it: its hash, and the newest one under its seal; null until the first refresh. */
  readonly previous: PreviousToken | null
  /** Marks the secrets of this session; null for one that began before there were marks and was not refreshed since. */
  readonly markKey: string | null
}

interface PreviousToken {
  readonly hash: string
  /** The newest secret, readable with the secret before it. */
  readonly sealed: string
}

const secretBytes = 32
/** The last bytes of a secret; the 24 before them are random (192 bit). */
const markBytes = 8
const markKeyBytes = 32

/** A new key for the marks of a session. */
export function newMarkKey(): string {
  return randomBytes(markKeyBytes).toString('base64url')
}

function markOf(markKey: string, random: Buffer): Buffer {
  const key = Buffer.from(markKey, 'base64url')
  return createHmac('sha256', key).update(random).digest().subarray(0, markBytes)
}

/**
 * A refresh secret with the mark of its session. The mark opens nothing. It tells a secret that this session had once, however
 * long ago, from one that it never had, without a list of all of them.
 */
export function newMarkedSecret(markKey: string): string {
  const random = randomBytes(secretBytes - markBytes)
  return Buffer.concat([random, markOf(markKey, random)]).toString('base64url')
}

function hasMark({ markKey }: Session, secret: string): boolean {
  if (markKey === null) return false
  const bytes = Buffer.from(secret, 'base64url')
  const mark = markOf(markKey, bytes.subarray(0, -markBytes))
  return timingSafeEqual(mark, bytes.subarray(-markBytes))
}

function pad(secret: string, sessionId: string): Buffer {
  return createHmac('sha256', secret).update(`successor of ${sessionId}`).digest()
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] as number)))
}

/**
 * The successor as the holder of `secret` can read it. A secret has one successor, so its pad is used once; the store alone,
 * which has hashes only, reveals no token.
 */
function seal(session: Session, secret: string, successor: string): string {
  return xor(Buffer.from(successor, 'base64url'), pad(secret, session.id)).toString('base64url')
}

function unseal(session: Session, secret: string, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64url')
  if (bytes.length !== secretBytes) throw new Error('a stored session has no readable successor')
  return xor(bytes, pad(secret, session.id)).toString('base64url')
}

/** What a refresh with one secret comes to. */
export type RefreshJudgement =
  | { readonly kind: 'rotate' }
  /** The secret was rotated a moment ago: its answer may be lost, so the same successor is given again. */
  | { readonly kind: 'again'; readonly successor: string }
  /** The session is over, or of an earlier generation of its user. */
  | { readonly kind: 'over' }
  /** A token that was rotated longer ago: a copy of it is in other hands. */
  | { readonly kind: 'replay' }
  /** A token that this session never had: a guess by a caller who knows the session's id. It must not end the session. */
  | { readonly kind: 'unknown' }

/** `graceMs`: how long after its rotation a token gives its successor again. */
export function judgeRefresh(session: Session, secret: string, now: number, graceMs: number): RefreshJudgement {
  if (now >= session.expiresAt) return { kind: 'over' }
  const hash = hashOf(secret)
  if (isSameHash(hash, session.hash)) return { kind: 'rotate' }
  const { previous } = session
  if (previous === null || !isSameHash(hash, previous.hash)) {
    return { kind: hasMark(session, secret) ? 'replay' : 'unknown' }
  }
  if (now >= session.rotatedAt + graceMs) return { kind: 'replay' }
  return { kind: 'again', successor: unseal(session, secret, previous.sealed) }
}

/** The session after its newest secret was replaced, and the new one. */
export function rotateSession(session: Session, secret: string, now: number) {
  const markKey = session.markKey ?? newMarkKey()
  const successor = newMarkedSecret(markKey)
  const previous = { hash: session.hash, sealed: seal(session, secret, successor) }
  return { next: { ...session, hash: hashOf(successor), rotatedAt: now, previous, markKey }, successor }
}
