import { z } from 'zod'
import { roles } from '../states.ts'
import { duration, timeAt } from '../values.ts'
import { pageOf, pageQuery } from './lists.ts'
import { warning, wireTime } from './parts.ts'

const username = z
  .string()
  .regex(/^[A-Za-z0-9._@+-]{2,64}$/, 'must be 2 to 64 letters, digits or ".", "_", "@", "+", "-"')
  .describe('The name to log in with: 2 to 64 letters, digits or ".", "_", "@", "+", "-". Unique whatever the case.')
const password = (text: string) => z.string().min(1).max(256).describe(text)
const role = z.enum(roles)
const roleText = 'viewer (reads), user (makes jobs of their own), operator (controls all jobs) or admin (users too).'
const tokenText = (text: string) => z.string().min(1).max(200).describe(text)

export const signupBody = z
  .strictObject({
    username,
    password: password('The password, 1 to 256 characters; at least 12 where the network reaches Belfry.'),
  })
  .meta({ id: 'SignupBody', description: 'A new user.' })
export type SignupBody = z.infer<typeof signupBody>

/** Login accepts any text: the answer must not reveal whether a name could exist. */
export const loginBody = z
  .strictObject({
    username: z.string().min(1).max(256).describe('The name of the user, in any case.'),
    password: password('The password of the user.'),
  })
  .meta({ id: 'LoginBody', description: 'Who logs in.' })
export type LoginBody = z.infer<typeof loginBody>

export const userView = z
  .strictObject({
    id: z.string().describe('The id of the user.'),
    username: z.string().describe('The name as the user signed up with it.'),
    roles: z.array(role).describe(`The role of the user, one of ${roleText}`),
    warnings: z.array(warning).describe('What is accepted and yet to be thought about, such as a short password.'),
  })
  .meta({ id: 'User', description: 'A user.' })
export type UserView = z.infer<typeof userView>

/** `GET /auth/me`: what the token of the call may do, which may be less than what its user may do. */
export const meView = userView
  .extend({
    via: z.enum(['login', 'api-key']).describe('What the call was made with.'),
    apiKeyId: z.string().nullable().describe('The id of the API key, null after a login.'),
  })
  .meta({ id: 'Me', description: 'The user of a call, and what the call was made with.' })
export type MeView = z.infer<typeof meView>

/** `token` equals `accessToken`: the name that the systems use which Belfry replaces. */
export const loginReply = z
  .strictObject({
    token: z.string().describe('The access token; the same as `accessToken`.'),
    accessToken: z.string().describe('The access token, to be sent as "Authorization: Bearer …".'),
    tokenType: z.literal('Bearer').describe('How the access token is sent.'),
    expiresIn: z.number().int().describe('How long the access token is good, seconds.'),
    refreshToken: z.string().describe('Good for one call of POST /auth/refresh, which answers the next one.'),
    refreshExpiresIn: z.number().int().describe('How long the login can be refreshed, seconds.'),
  })
  .meta({ id: 'Login', description: 'The tokens of a login.' })
export type LoginReply = z.infer<typeof loginReply>

/** `POST /auth/refresh` and `POST /auth/logout`. */
export const refreshBody = z
  .strictObject({
    refreshToken: tokenText('The newest refresh token of the login.'),
  })
  .meta({ id: 'RefreshBody', description: 'A login to go on with, or to end.' })
export type RefreshBody = z.infer<typeof refreshBody>

/** `POST /auth/password`. */
export const passwordBody = z
  .strictObject({
    current: password('The password as it is now.'),
    next: password('The new password.'),
  })
  .meta({ id: 'PasswordBody', description: 'A change of the password.' })
export type PasswordBody = z.infer<typeof passwordBody>

/** `POST /auth/bootstrap`: makes the first admin. */
export const bootstrapBody = z
  .strictObject({
    token: tokenText(
      'The one-time token: the text after "#" of the link that the start prints, or BELFRY_BOOTSTRAP_TOKEN.',
    ),
    username,
    password: password('The password of a new user; of a user who is there already, the one that this user has.'),
  })
  .meta({ id: 'BootstrapBody', description: 'Who becomes the first admin.' })
export type BootstrapBody = z.infer<typeof bootstrapBody>

/** `POST /auth/invite`: sets the password that an invitation asks for. */
export const acceptInviteBody = z
  .strictObject({
    token: tokenText('The one-time token of the invitation: the text after "#" of its link.'),
    password: password('The new password.'),
  })
  .meta({ id: 'AcceptInviteBody', description: 'The password of an invited user.' })
export type AcceptInviteBody = z.infer<typeof acceptInviteBody>

/** Longest time that an API key can be given, milliseconds: the longest duration of the API. */
const shortestKeyMs = 60_000

/** `POST /auth/api-keys`. */
export const createApiKeyBody = z
  .strictObject({
    name: z.string().min(1).max(100).describe('What the key is for, shown in lists; 1 to 100 characters.'),
    role: role
      .optional()
      .describe(
        'The most that the key may do, at most the role of its owner, which is the default; the one of an admin: operator.',
      ),
    expiresAt: timeAt.optional().describe('When the key ends, RFC 3339. Default: never.'),
    expiresIn: duration({ min: shortestKeyMs }).optional().describe('The same as a duration, such as "90d".'),
  })
  .refine(({ expiresAt, expiresIn }) => expiresAt === undefined || expiresIn === undefined, {
    path: ['expiresIn'],
    message: 'must not stand beside "expiresAt": use one of them',
  })
  .meta({ id: 'CreateApiKeyBody', description: 'A new API key.' })
export type CreateApiKeyBody = z.output<typeof createApiKeyBody>

export const apiKeyView = z
  .strictObject({
    id: z.string().describe('The id of the key.'),
    name: z.string().describe('What the key is for.'),
    prefix: z.string().describe('How the text of the key begins.'),
    role: role.describe(`The most that the key may do: ${roleText}`),
    createdAt: wireTime.describe('When the key was made.'),
    expiresAt: wireTime.nullable().describe('When the key ends, null for never.'),
    lastUsedAt: wireTime.nullable().describe('When the key was used last, to the minute; null for never.'),
  })
  .meta({ id: 'ApiKey', description: 'An API key, without its secret.' })
export type ApiKeyView = z.infer<typeof apiKeyView>

/** The answer to `POST /auth/api-keys`, the only one with the key itself. */
export const newApiKey = apiKeyView
  .extend({
    key: z
      .string()
      .describe('The API key. It is shown this once: send it as "Authorization: Bearer …" or "X-API-Key".'),
  })
  .meta({ id: 'NewApiKey', description: 'An API key with its secret, which is shown this once.' })

/** `GET /auth/api-keys`: all keys of the caller, the newest first. */
export const apiKeyList = z
  .strictObject({ data: z.array(apiKeyView).describe('The keys of the caller.') })
  .meta({ id: 'ApiKeyList', description: 'The API keys of a user.' })

/** `GET /auth/users`. */
export const usersQuery = pageQuery.extend({
  q: z.string().min(1).max(64).optional().describe('How the name begins, in any case.'),
})

/** A user as an admin sees it. */
export const managedUser = z
  .strictObject({
    id: z.string().describe('The id of the user.'),
    username: z.string().describe('The name as the user signed up with it.'),
    roles: z.array(role).describe(`The role of the user, one of ${roleText}`),
    disabled: z.boolean().describe('Whether the user cannot log in, refresh a login or use an API key.'),
    hasPassword: z.boolean().describe('False until an invited user has set one.'),
    createdAt: wireTime.describe('When the user was made.'),
  })
  .meta({ id: 'ManagedUser', description: 'A user as an admin sees it.' })
export type ManagedUser = z.infer<typeof managedUser>
export const userPage = pageOf(managedUser)

/** `PATCH /auth/users/:id`. */
export const patchUserBody = z
  .strictObject({
    roles: z
      .array(role)
      .min(1)
      .max(roles.length)
      .optional()
      .describe('The new role. Each role includes those before it, so of several the highest counts.'),
    disabled: z.boolean().optional().describe('Whether the user is to be shut out.'),
  })
  .refine((body) => Object.keys(body).length > 0, 'must have "roles" or "disabled"')
  .meta({ id: 'PatchUserBody', description: 'What changes of a user.' })
export type PatchUserBody = z.infer<typeof patchUserBody>

/** `POST /auth/users`. */
export const createUserBody = z
  .strictObject({
    username,
    password: password('The password. Without one the answer has an invitation, by which the user sets it.').optional(),
    role: role.exclude(['admin']).default('user').describe('The role: viewer, user or operator. Default: user.'),
  })
  .meta({ id: 'CreateUserBody', description: 'A user that an admin makes.' })
export type CreateUserBody = z.infer<typeof createUserBody>

export const invitation = z
  .strictObject({
    token: z.string().describe('The one-time token, for POST /auth/invite.'),
    path: z.string().describe('The page of Belfry on which the user sets a password: the path after its address.'),
    expiresAt: wireTime.describe('Until when the invitation can be used.'),
  })
  .meta({ id: 'Invitation', description: 'How a user sets a password without a login.' })

/** The answer to `POST /auth/users` and `POST /auth/users/:id/invite`. */
export const createdUser = managedUser
  .extend({
    invitation: invitation.nullable().describe('How the user sets a password; null for a user who was given one.'),
    warnings: z.array(warning).describe('What is accepted and yet to be thought about, such as a short password.'),
  })
  .meta({ id: 'CreatedUser', description: 'A user that was made or invited, with the invitation.' })

/** `POST /auth/signing-keys/rotate`. */
export const rotatedKey = z
  .strictObject({
    kid: z.string().describe('The id of the newest key.'),
    signsInMs: z.number().int().describe('How long the key is published before it signs tokens, milliseconds.'),
  })
  .meta({ id: 'RotatedKey', description: 'A new key for the signatures of tokens.' })

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
