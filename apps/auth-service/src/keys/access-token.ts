import { tokenAudience, tokenIssuer } from '@belfry/http'
import { createSigner } from 'fast-jwt'
import type { User } from '../accounts/user.ts'
import type { SigningKey } from './signing-keys.ts'

/** Signs access tokens with one key. */
export interface AccessTokenSigner {
  readonly kid: string
  /**
   * An access token (JWT, EdDSA) for the user, valid from `now` for `lifetimeMs`. libs/http reads its claims in every service:
   * `sub` the user's id, `name`, `roles`.
   */
  sign(user: User, now: number, lifetimeMs: number): string
}

export function createAccessTokenSigner({ kid, privatePem }: SigningKey): AccessTokenSigner {
  const signer = createSigner({ key: privatePem, algorithm: 'EdDSA', kid })
  return {
    kid,
    sign({ id, username, roles }, now, lifetimeMs) {
      const iat = Math.floor(now / 1000)
      const times = { iat, exp: iat + Math.floor(lifetimeMs / 1000) }
      return signer({ iss: tokenIssuer, aud: tokenAudience, sub: id, name: username, roles, ...times })
    },
  }
}
