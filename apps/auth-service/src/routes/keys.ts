import type { HttpApp } from '@belfry/http'
import { z } from 'zod'
import type { KeyRing } from '../key-ring.ts'

const jwk = z.strictObject({
  kty: z.string(),
  crv: z.string(),
  x: z.string(),
  kid: z.string(),
  alg: z.string(),
  use: z.string(),
})
const schema = {
  tags: ['auth'],
  summary: 'The keys that tokens are signed with',
  response: { 200: z.strictObject({ keys: z.array(jwk) }) },
}

/** `/auth/.well-known/jwks.json` (RFC 7517): what other services verify tokens with. */
export function mountKeys(app: HttpApp, keys: KeyRing): void {
  app.get('/auth/.well-known/jwks.json', { schema, config: { access: 'public' } }, async () => ({
    keys: await keys.published(),
  }))
}
