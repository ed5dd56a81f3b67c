import type { Role } from '@belfry/contracts'
import { tokenAudience, tokenIssuer } from '@belfry/http'
import { createSigner } from 'fast-jwt'
import type { SigningKey } from './signing-keys.ts'

/** What an access token says of its bearer. */
interface TokenSubject {
  readonly user: { readonly id: string; readonly username: string }
  readonly role: Role
  /** The API key that the token stands for; left out after a login. */
  readonly keyId?: string
}

/** Signs access tokens with one key. */
export interface AccessTokenSigner {
  readonly kid: string
  /**
   * An access token (JWT, EdDSA), valid from `now` for `lifetimeMs`. libs/http reads its claims in every service: `sub` the user's
   * id, `name`, `roles`, `key` the id of the API key.
   */
  sign(subject: TokenSubject, now: number, lifetimeMs: number): string
}

export function createAccessTokenSigner({ kid, privatePem }: SigningKey): AccessTokenSigner {
  const signer = createSigner({ key: privatePem, algorithm: 'EdDSA', kid })
  return {
    kid,
    sign({ user, role, keyId }, now, lifetimeMs) {
      const iat = Math.floor(now / 1000)
      const times = { iat, exp: iat + Math.floor(lifetimeMs / 1000) }
      const about = { sub: user.id, name: user.username, roles: [role], ...(keyId !== undefined && { key: keyId }) }
      return signer({ iss: tokenIssuer, aud: tokenAudience, ...about, ...times })
    },
  }
}
