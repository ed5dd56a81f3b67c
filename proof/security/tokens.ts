import { createPublicKey } from 'node:crypto'
import { forgeries } from '../../libs/http/test/forged-tokens.ts'
import type { Finding } from './matrix.ts'
import { sendRaw } from './raw.ts'
import { claimsOf, type World } from './world.ts'

/** The key of the running auth-service in the form of the corpus. */
function keyOf({ key: { kid, key, publicX } }: World) {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: publicX, kid, alg: 'EdDSA', use: 'sig' } as const
  return { kid, privateKey: key, publicKey: createPublicKey(key), jwk }
}

/** Texts that look like API keys. */
function lookAlikes(apiKey: string): string[] {
  const [prefix, id, secret = ''] = apiKey.split('_') as [string, string, string?]
  return [
    `${prefix}_${id}_${'A'.repeat(secret.length)}`,
    `${prefix}_${id}_${secret.slice(0, -1)}`,
    `${prefix}_${id}_${secret}A`,
    `${prefix}_${id}_`,
    `${prefix}_${id}`,
    `${prefix}_`,
    `${prefix}__`,
    `${prefix}_${'0'.repeat(32)}_${secret}`,
    `${prefix}_${id?.toUpperCase()}_${secret}X`,
    `bfr_${id}_${secret}`,
    `${prefix}_${id}_${secret} `.replace(' ', '%20'),
    `${prefix}_../../${id}_${secret}`,
    `${prefix}_${id}_${secret}\u0000`.replace('\u0000', '%00'),
    `${prefix}_*_${secret}`,
    `${prefix}_{"$ne":null}_${secret}`,
  ]
}

/** Where each token is tried: through the gateway in two dialects, and at every service itself. */
function addressesOf({ url, routes }: World): string[] {
  const origins = new Map(routes.map(({ service, origin }) => [service, origin]))
  const at = (service: string, path: string) => (origins.get(service) ?? 'no such service') + path
  return [
    ...[`${url}/auth/me`, `${url}/api/v1/jobs`, `${url}/system/services`],
    ...[at('auth-service', '/auth/me'), at('job-service', '/jobs'), at('executor-service', '/job-types')],
    at('job-service', '/internal/jobs/changes'),
  ]
}

async function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  const answer = await fetch(url, { headers })
  await answer.arrayBuffer()
  return answer.status
}

/** Doctored tokens in the right place. */
async function tryForgeries(world: World, unexpected: string[]): Promise<number> {
  const claims = claimsOf(world.other.token ?? '') as never
  // A header cannot carry a line break; in a token it is tried at the app itself.
  const tokens = forgeries(keyOf(world), claims).filter(([, token]) => !/[\n\r]/.test(token))
  const apiKey =
    world.actors
      .find(({ kind }) => kind === 'key')
      ?.authorization()
      ?.slice('Bearer '.length) ?? ''
  const named = [...tokens, ...lookAlikes(apiKey).map((text) => [`API key look-alike ${text}`, text] as const)]
  for (const [trick, token] of named) {
    const asKey = [{ authorization: `Bearer ${token}` }, { 'x-api-key': token }]
    for (const url of addressesOf(world)) {
      for (const headers of asKey) {
        const status = await statusOf(url, headers as Record<string, string>)
        if (status !== 401) unexpected.push(`${trick} at ${url}: ${status}`)
      }
    }
  }
  return named.length
}

/** A good token in a wrong place. */
async function tryPlaces({ url, other, admin }: World, unexpected: string[]): Promise<number> {
  const { token } = other
  const places: [string, string, Record<string, string>][] = [
    ...['access_token', 'token', 'authorization', 'api_key', 'apiKey', 'jwt', 'bearer'].map(
      (name): [string, string, Record<string, string>] => [`query ${name}`, `/auth/me?${name}=${token}`, {}],
    ),
    ...['token', 'access_token', 'authorization', 'Authorization', 'jwt', 'session'].map(
      (name): [string, string, Record<string, string>] => [
        `cookie ${name}`,
        '/auth/me',
        { cookie: `${name}=${token}` },
      ],
    ),
    ...['x-access-token', 'x-auth-token', 'proxy-authorization', 'x-authorization', 'x-forwarded-authorization'].map(
      (name): [string, string, Record<string, string>] => [`header ${name}`, '/auth/me', { [name]: `Bearer ${token}` }],
    ),
    ...['Basic', 'Token', 'JWT', 'Digest', 'DPoP', 'Bearer,', 'Bearer:', 'XBearer', 'Bearer Bearer', 'Bearer\t'].map(
      (scheme): [string, string, Record<string, string>] => [
        `scheme ${scheme}`,
        '/auth/me',
        { authorization: `${scheme} ${token}` },
      ],
    ),
    ['no scheme', '/auth/me', { authorization: String(token) }],
    ['a list of two', '/auth/me', { authorization: `Bearer ${token}, Bearer ${admin.token}` }],
  ]
  for (const [place, path, headers] of places) {
    const status = await statusOf(url + path, headers)
    if (status < 400) unexpected.push(`a token as ${place}: ${status}`)
  }
  return places.length
}

/** Two headers: the answer may be about the first one or none, at the gateway and behind it alike. */
async function tryTwoHeaders({ url, other, admin, owner }: World, unexpected: string[]): Promise<number> {
  const names = ['authorization', 'Authorization', 'AUTHORIZATION', 'authorization ', 'x-api-key']
  for (const second of names) {
    const head = `GET /auth/me HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Bearer ${other.token}\r\n`
    const text = await sendRaw(url, `${head}${second}: Bearer ${admin.token}\r\n\r\n`)
    if (text.includes('the-admin')) unexpected.push(`a second header "${second}" counts`)
    const empty = head.replace(`Bearer ${other.token}`, '')
    const only = await sendRaw(url, `${empty}${second}: Bearer ${owner.token}\r\n\r\n`)
    if (/^HTTP\/1.1 2/.test(only)) unexpected.push(`an empty header and then "${second}": let in`)
  }
  return 2 * names.length
}

/** Tokens with every known trick, and good ones where they must not count: none is accepted. */
export async function checkTokens(world: World): Promise<Finding> {
  const unexpected: string[] = []
  const good = await statusOf(`${world.url}/auth/me`, { authorization: `Bearer ${world.other.token}` })
  if (good !== 200) unexpected.push(`the token that the tricks are made of is not good itself: ${good}`)
  const tricks = await tryForgeries(world, unexpected)
  const places = (await tryPlaces(world, unexpected)) + (await tryTwoHeaders(world, unexpected))
  return {
    what: 'doctored tokens, and places of tokens',
    checks: tricks + places,
    unexpected,
    more: { tricks, places },
  }
}
