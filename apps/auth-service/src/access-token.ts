import { type KeyObject, sign } from 'node:crypto'
import { tokenAudience, tokenIssuer } from '@belfry/http'
import type { User } from './domain/user.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/**
 * An access token (JWT, EdDSA) for the user, good from `now` for `lifetimeMs`. What it says is read by libs/http in every
 * service: `sub` the user's id, `name`, `roles`.
 */
export function signAccessToken(
  user: User,
  { kid, privateKey, now, lifetimeMs }: { kid: string; privateKey: KeyObject; now: number; lifetimeMs: number },
): string {
  const iat = Math.floor(now / 1000)
  const header = encode({ alg: 'EdDSA', typ: 'JWT', kid })
  const claims = encode({
    iss: tokenIssuer,
    aud: tokenAudience,
    sub: user.id,
    name: user.username,
    roles: user.roles,
    iat,
    exp: iat + Math.floor(lifetimeMs / 1000),
  })
  const text = `${header}.${claims}`
  return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`
}
