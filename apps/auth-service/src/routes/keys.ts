import { jwkSet, refusal, rotatedKey } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { KeyRing } from '../keys/key-ring.ts'

const schema = {
  operationId: 'listSigningKeys',
  tags: ['auth'],
  summary: 'The keys that tokens are signed with',
  description: 'The public keys of the access tokens (RFC 7517): one, or more while the next one takes over.',
  response: { 200: jwkSet },
}

const rotate = {
  operationId: 'rotateSigningKey',
  tags: ['auth'],
  summary: 'Begin to sign with a new key',
  description:
    'Publishes a new key now, which signs after half a minute. Older keys are published until the last token that they signed has expired. 409 while several keys are on their way. For admins.',
  response: { 200: rotatedKey },
  problems: ['conflict'],
} as const
const underWay = refusal('conflict', 'Several keys are published already: wait until the oldest has gone.')

/** `POST /auth/signing-keys/rotate`, and `/auth/.well-known/jwks.json` (RFC 7517): what other services verify tokens with. */
export function mountKeys(app: HttpApp, keys: KeyRing): void {
  app.get('/auth/.well-known/jwks.json', { schema, config: { access: 'public' } }, async () => ({
    keys: await keys.published(),
  }))
  app.post('/auth/signing-keys/rotate', { schema: rotate, config: { access: 'admin' } }, async (_request, reply) => {
    return (await keys.rotateNow()) ?? reply.refuse(underWay)
  })
}
