import { z } from 'zod'
import { roles } from '../states.ts'
import { warning } from './parts.ts'

export const signupBody = z.strictObject({
  username: z.string().regex(/^[A-Za-z0-9._@+-]{2,64}$/, 'must be 2 to 64 letters, digits or ".", "_", "@", "+", "-"'),
  password: z.string().min(1).max(256),
})
export type SignupBody = z.infer<typeof signupBody>

/** Login accepts any text: the answer must not reveal whether a name could exist. */
export const loginBody = z.strictObject({ username: z.string().min(1).max(256), password: z.string().min(1).max(256) })
export type LoginBody = z.infer<typeof loginBody>

export const userView = z.strictObject({
  id: z.string(),
  username: z.string(),
  roles: z.array(z.enum(roles)),
  warnings: z.array(warning),
})
export type UserView = z.infer<typeof userView>

/** `token` equals `accessToken`: the name that the systems use which Belfry replaces. `expiresIn` in seconds. */
export const loginReply = z.strictObject({
  token: z.string(),
  accessToken: z.string(),
  tokenType: z.literal('Bearer'),
  expiresIn: z.number().int(),
})
export type LoginReply = z.infer<typeof loginReply>

/** One public key (RFC 7517, RFC 8037): Ed25519 for EdDSA. `x` is the key itself, base64url. */
const jwk = z.object({
  kty: z.string(),
  crv: z.string(),
  x: z.string(),
  kid: z.string(),
  alg: z.string(),
  use: z.string(),
})
export type Jwk = z.infer<typeof jwk>

/** `GET /auth/.well-known/jwks.json`: the keys that verify tokens in every service. */
export const jwkSet = z.object({ keys: z.array(jwk) })
