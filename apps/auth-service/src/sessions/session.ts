import { createHmac } from 'node:crypto'
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
}

interface PreviousToken {
  readonly hash: string
  /** The newest secret, readable with the secret before it. */
  readonly sealed: string
}

const secretBytes = 32

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

/** `graceMs`: how long after its rotation a token gives its successor again. */
export function judgeRefresh(session: Session, secret: string, now: number, graceMs: number): RefreshJudgement {
  if (now >= session.expiresAt) return { kind: 'over' }
  const hash = hashOf(secret)
  if (isSameHash(hash, session.hash)) return { kind: 'rotate' }
  const { previous } = session
  if (previous === null || !isSameHash(hash, previous.hash) || now >= session.rotatedAt + graceMs)
    return { kind: 'replay' }
  return { kind: 'again', successor: unseal(session, secret, previous.sealed) }
}

/** The session after its newest secret was replaced by `successor`. */
export function rotateSession(session: Session, secret: string, successor: string, now: number): Session {
  const previous = { hash: session.hash, sealed: seal(session, secret, successor) }
  return { ...session, hash: hashOf(successor), rotatedAt: now, previous }
}
