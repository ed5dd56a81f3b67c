import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Chance in a secret, bytes (256 bit). */
const secretBytes = 32

/** 256 random bits, as base64url. */
export function newSecret(): string {
  return randomBytes(secretBytes).toString('base64url')
}

/** What is stored of a secret. A plain hash is enough: nothing but the secret itself can be tried against it in any time. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

/** Whether two hashes are the same, in a time that shows nothing of them. */
export function isSameHash(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)]
  return one.length === other.length && timingSafeEqual(one, other)
}

/** A token that names its record: `<prefix>_<32 hexadecimal digits>_<secret>`. */
export interface OpaqueToken {
  /** The UUID of the record. */
  readonly uuid: string
  readonly secret: string
}

/** The token as it is shown: the prefix lets scanners find one that was published by mistake. */
export function writeToken(prefix: string, { uuid, secret }: OpaqueToken): string {
  return `${prefix}_${uuid.replaceAll('-', '')}_${secret}`
}

const shape = /^([a-z]{3})_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/

/** The parts of a token with this prefix; undefined for any other text. */
export function readToken(prefix: string, text: string): OpaqueToken | undefined {
  const parts = shape.exec(text)
  if (parts?.[1] !== prefix) return undefined
  const [secret = ''] = parts.slice(7)
  return { uuid: parts.slice(2, 7).join('-'), secret }
}
