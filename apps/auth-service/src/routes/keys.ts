import { jwkSet } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { KeyRing } from '../keys/key-ring.ts'

const schema = {
  operationId: 'getSigningKeys',
  tags: ['auth'],
  summary: 'The keys that tokens are signed with',
  description: 'The public keys of access tokens (RFC 7517), for services that verify tokens themselves.',
  response: { 200: jwkSet },
}

/** `/auth/.well-known/jwks.json` (RFC 7517): what other services verify tokens with. */
export function mountKeys(app: HttpApp, keys: KeyRing): void {
  app.get('/auth/.well-known/jwks.json', { schema, config: { access: 'public' } }, async () => ({
    keys: await keys.published(),
  }))
}
