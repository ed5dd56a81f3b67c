import { z } from 'zod'
import { roles } from '../states.ts'
import { warning } from './parts.ts'

export const signupBody = z
  .strictObject({
    username: z
      .string()
      .regex(/^[A-Za-z0-9._@+-]{2,64}$/, 'must be 2 to 64 letters, digits or ".", "_", "@", "+", "-"')
      .describe('2 to 64 letters, digits or `._@+-`; upper and lower case are the same name.'),
    password: z
      .string()
      .min(1)
      .max(256)
      .describe('At most 256 characters. Short ones are taken only by a standalone Belfry, with a warning.'),
  })
  .meta({ id: 'SignupBody', description: 'A new user.' })
export type SignupBody = z.infer<typeof signupBody>

/** Login accepts any text: the answer must not reveal whether a name could exist. */
export const loginBody = z
  .strictObject({
    username: z.string().min(1).max(256).describe('The name of the user.'),
    password: z.string().min(1).max(256).describe('The password of the user.'),
  })
  .meta({ id: 'LoginBody', description: 'Who logs in.' })
export type LoginBody = z.infer<typeof loginBody>

export const userView = z
  .strictObject({
    id: z.string().describe('`usr-` and a UUID.'),
    username: z.string().describe('The name of the user, as it was written at the sign-up.'),
    roles: z
      .array(z.enum(roles))
      .describe(
        'What the user may do: `viewer` reads, `user` makes and runs jobs, `operator` sees and stops all jobs, `admin` also manages users.',
      ),
    warnings: z.array(warning).describe('What the user should look at, such as a short password; mostly empty.'),
  })
  .meta({ id: 'User', description: 'A user.' })
export type UserView = z.infer<typeof userView>

/** `token` equals `accessToken`: the name that the systems use which Belfry replaces. `expiresIn` in seconds. */
export const loginReply = z
  .strictObject({
    token: z.string().describe('The same as `accessToken`.'),
    accessToken: z.string().describe('What other calls send as `Authorization: Bearer …`.'),
    tokenType: z.literal('Bearer').describe('How the token is sent.'),
    expiresIn: z.number().int().describe('How long the token is valid, seconds.'),
  })
  .meta({ id: 'Login', description: 'The tokens of a login.' })
export type LoginReply = z.infer<typeof loginReply>

/** One public key (RFC 7517, RFC 8037): Ed25519 for EdDSA. `x` is the key itself, base64url. */
const jwk = z
  .object({
    kty: z.string().describe('The kind of key: `OKP`.'),
    crv: z.string().describe('The curve: `Ed25519`.'),
    x: z.string().describe('The key itself, base64url.'),
    kid: z.string().describe('The id of the key, which tokens name.'),
    alg: z.string().describe('The algorithm of the signatures: `EdDSA`.'),
    use: z.string().describe('What the key is for: `sig`.'),
  })
  .meta({ id: 'Jwk', description: 'One public key (RFC 7517).' })
export type Jwk = z.infer<typeof jwk>

/** `GET /auth/.well-known/jwks.json`: the keys that verify tokens in every service. */
export const jwkSet = z
  .object({ keys: z.array(jwk).describe('The keys that are valid now: at most the newest two.') })
  .meta({ id: 'JwkSet', description: 'The keys that verify tokens (RFC 7517).' })
