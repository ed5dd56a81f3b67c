import { createHttpApp } from '@belfry/http'
import { createHealth } from '@belfry/service'
import { createTestTokens, encodePart, forgeToken } from '@belfry/testkit'
import { createRandom, type Random } from '../random.ts'
import type { FuzzTarget } from './campaign.ts'
import { mutateText } from './cron-texts.ts'
import { freeValue } from './json-values.ts'
import { mutateValue } from './mutations.ts'
import type { System } from './system.ts'

/** The value of `Authorization`, and whether its signature is good and its claims are ours. */
export interface TokenInput {
  readonly kind: 'valid' | 'claims' | 'header' | 'text'
  readonly authorization: string
}

/** Tokens at the check of every service: an app with one route that needs a role. */
export async function openTokenTarget({ base }: System): Promise<FuzzTarget<TokenInput> & { close(): Promise<void> }> {
  const tokens = createTestTokens(base.clock)
  const deps = { ...base.depsOf('job-service'), health: createHealth({ clock: base.clock, log: base.log }) }
  const app = createHttpApp({ service: 'job-service', deps, tokens: tokens.verifier })
  app.get('/fuzz', { schema: { hide: true }, config: { access: 'user' } }, () => ({ isIn: true }))
  await app.ready()
  const header = { alg: 'EdDSA', typ: 'JWT', kid: tokens.key.kid }
  const claims = (random: Random) => tokens.claims(`usr-${random.between(1, 99)}`, ['user'])
  const none = (given: object) => `${encodePart(given)}.${encodePart(tokens.claims('usr-1', ['admin']))}.`

  function drawText(random: Random): string {
    const good = tokens.token('usr-1', 'admin')
    const kind = random.between(0, 4)
    if (kind === 0) return none({ alg: random.oneOf(['none', 'HS256', 'RS256', 'EdDSA', '', 'nOnE']), kid: 'k1' })
    if (kind === 1) return good.slice(0, random.between(0, good.length - 1))
    if (kind === 2) return 'a.'.repeat(random.between(1, 3000))
    if (kind === 3) return `bfk_${mutateText('abcdefghijklmnopqrstuvwxyz', random)}`
    const at = random.between(0, good.length - 1)
    return `${good.slice(0, at)}${good[at] === 'A' ? 'B' : 'A'}${good.slice(at + 1)}`
  }

  return {
    name: 'tokens',
    draw(seed) {
      const random = createRandom(seed)
      const kind = random.oneOf(['valid', 'claims', 'claims', 'header', 'text', 'text'] as const)
      const sign = (head: object, body: unknown) => forgeToken(head, body, tokens.key.privateKey)
      const changed = () => (random.fraction() < 0.1 ? freeValue(random) : mutateValue(claims(random), random))
      const text = {
        valid: () => sign(header, claims(random)),
        claims: () => sign(header, changed() ?? null),
        header: () => sign(mutateValue(header, random) as object, claims(random)),
        text: () => drawText(random),
      }[kind]()
      // A header of HTTP has no other bytes.
      return { kind, authorization: `Bearer ${text.replace(/[^\t\x20-\x7e]/g, '?')}` }
    },
    async run({ kind, authorization }) {
      const { statusCode, body, headers } = await app.inject({ url: '/fuzz', headers: { authorization } })
      if (kind === 'valid')
        return statusCode === 200 ? undefined : `a valid token is answered with ${statusCode}: ${body}`
      if (kind === 'text' && statusCode === 200) return 'a token that was not signed is taken'
      if (![200, 401, 403].includes(statusCode)) return `status ${statusCode}: ${body.slice(0, 300)}`
      return statusCode === 200 || String(headers['content-type']).startsWith('application/problem+json')
        ? undefined
        : 'the refusal is no problem'
    },
    close: () => app.close(),
  }
}
