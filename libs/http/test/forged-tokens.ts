import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { type claimsOf, encode, type Key, signToken } from './world.ts'

const hs256 = (header: object, claims: object, secret: string | Buffer) => {
  const text = `${encode(header)}.${encode(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

/** Invalid tokens by the name of the trick; `key` signs where the trick is another one than the signature. */
export function forgeries(key: Key, claims: ReturnType<typeof claimsOf>): [string, string][] {
  const header = { alg: 'EdDSA', typ: 'JWT', kid: key.kid }
  const good = signToken(header, claims, key.privateKey)
  const [head = '', body = '', seal = ''] = good.split('.')
  const pem = key.publicKey.export({ type: 'spki', format: 'pem' }) as string
  const der = key.publicKey.export({ type: 'spki', format: 'der' })
  const stranger = generateKeyPairSync('ed25519')
  const strangerJwk = stranger.publicKey.export({ format: 'jwk' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const signedWith = (head: object, more: object = {}) =>
    signToken({ ...header, ...head }, { ...claims, ...more }, key.privateKey)
  const without = (name: string) =>
    signToken(header, Object.fromEntries(Object.entries(claims).filter(([k]) => k !== name)), key.privateKey)
  const textOf = (head: object) => `${encode(head)}.${body}`
  const now = claims.iat
  const flipped = (text: string, at: number) => {
    const bytes = Buffer.from(text, 'base64url')
    bytes[at] = (bytes[at] as number) ^ 1
    return bytes.toString('base64url')
  }

  return [
    ['alg none without a signature', `${encode({ ...header, alg: 'none' })}.${body}.`],
    ['alg none with the old signature', `${encode({ ...header, alg: 'none' })}.${body}.${seal}`],
    ['alg None', `${encode({ ...header, alg: 'None' })}.${body}.`],
    ['alg NONE', `${encode({ ...header, alg: 'NONE' })}.${body}.x`],
    ['alg nOnE, signed', signedWith({ alg: 'nOnE' })],
    ['alg left out', signedWith({ alg: undefined })],
    ['alg empty', signedWith({ alg: '' })],
    ['alg null', signedWith({ alg: null })],
    ['alg a list', signedWith({ alg: ['EdDSA'] })],
    ['alg an object', signedWith({ alg: { toString: 'EdDSA' } })],
    ['alg in small letters', signedWith({ alg: 'eddsa' })],
    ['alg Ed25519', signedWith({ alg: 'Ed25519' })],
    ['HS256 with the public key as PEM', hs256({ ...header, alg: 'HS256' }, claims, pem)],
    ['HS256 with the trimmed PEM', hs256({ ...header, alg: 'HS256' }, claims, pem.trim())],
    ['HS256 with the public key as DER', hs256({ ...header, alg: 'HS256' }, claims, der)],
    ['HS256 with the raw public key', hs256({ ...header, alg: 'HS256' }, claims, Buffer.from(key.jwk.x, 'base64url'))],
    ['HS256 with the key as JWK text', hs256({ ...header, alg: 'HS256' }, claims, JSON.stringify(key.jwk))],
    ['HS256 with an empty secret', hs256({ ...header, alg: 'HS256' }, claims, '')],
    ['HS256 with the secret "secret"', hs256({ ...header, alg: 'HS256' }, claims, 'secret')],
    ['HS256 that says EdDSA', hs256(header, claims, pem)],
    ['HS512 in name', hs256({ ...header, alg: 'HS512' }, claims, pem)],
    [
      'RS256 with a key of its own',
      `${textOf({ ...header, alg: 'RS256' })}.${sign('sha256', Buffer.from(textOf({ ...header, alg: 'RS256' })), rsa).toString('base64url')}`,
    ],
    [
      'ES256 with a key of its own',
      `${textOf({ ...header, alg: 'ES256' })}.${sign('sha256', Buffer.from(textOf({ ...header, alg: 'ES256' })), p256).toString('base64url')}`,
    ],
    ['PS256 in name', signedWith({ alg: 'PS256' })],
    ['the key of a stranger', signToken(header, claims, stranger.privateKey)],
    ['a stranger who sends the key along', signToken({ ...header, jwk: strangerJwk }, claims, stranger.privateKey)],
    [
      'a stranger who says where the key is',
      signToken({ ...header, jku: 'http://127.0.0.1/keys' }, claims, stranger.privateKey),
    ],
    ['a certificate address', signedWith({ x5u: 'http://127.0.0.1/cert' })],
    ['a certificate', signedWith({ x5c: ['MIIB'] })],
    ['a key sent along with a good signature', signedWith({ jwk: key.jwk })],
    ['unknown kid', signedWith({ kid: 'k2' })],
    ['kid left out', signedWith({ kid: undefined })],
    ['kid empty', signedWith({ kid: '' })],
    ['kid a number', signedWith({ kid: 1 })],
    ['kid a list', signedWith({ kid: [key.kid] })],
    ['kid a path', signedWith({ kid: '../../../../dev/null' })],
    ['kid a statement', signedWith({ kid: "k1' OR '1'='1" })],
    ['kid a prototype', signedWith({ kid: '__proto__' })],
    ['kid a property of objects', signedWith({ kid: 'constructor' })],
    ['kid with U+0000', signedWith({ kid: 'k1\0' })],
    ['kid with a space', signedWith({ kid: ' k1' })],
    ['crit of an unknown extension', signedWith({ crit: ['exp'], exp: 1 })],
    ['crit empty', signedWith({ crit: [] })],
    ['crit null', signedWith({ crit: null })],
    ['crit b64', signedWith({ crit: ['b64'], b64: false })],
    ['b64 false', signedWith({ b64: false })],
    ['compressed', signedWith({ zip: 'DEF' })],
    ['expired beyond the skew', signedWith({}, { iat: now - 1000, exp: now - 31 })],
    ['expired by years', signedWith({}, { iat: 1, exp: 2 })],
    ['exp left out', without('exp')],
    ['exp a text', signedWith({}, { exp: String(now + 900) })],
    ['exp null', signedWith({}, { exp: null })],
    ['exp a list', signedWith({}, { exp: [now + 900] })],
    ['exp beyond numbers', signToken(header, claims, key.privateKey).replace(body, encode(claims).slice(0, -1))],
    ['exp before iat', signedWith({}, { exp: now - 1, iat: now })],
    ['nbf in the future', signedWith({}, { nbf: now + 3600 })],
    ['nbf a text', signedWith({}, { nbf: 'now' })],
    ['iat in the future', signedWith({}, { iat: now + 3600 })],
    ['iat left out', without('iat')],
    ['iss of another system', signedWith({}, { iss: 'acme' })],
    ['iss that begins like ours', signedWith({}, { iss: 'belfry.example' })],
    ['iss left out', without('iss')],
    ['iss a list', signedWith({}, { iss: ['belfry'] })],
    ['aud of another system', signedWith({}, { aud: 'acme' })],
    ['aud of services', signedWith({}, { aud: 'belfry-internal' })],
    ['aud left out', without('aud')],
    ['aud an empty list', signedWith({}, { aud: [] })],
    ['sub left out', without('sub')],
    ['sub empty', signedWith({}, { sub: '' })],
    ['sub a number', signedWith({}, { sub: 1 })],
    ['name left out', without('name')],
    ['roles left out', without('roles')],
    ['roles a text', signedWith({}, { roles: 'admin' })],
    ['a role that does not exist', signedWith({}, { roles: ['root'] })],
    ['claims that are a list', signToken(header, [claims], key.privateKey)],
    ['claims that are a text', signToken(header, 'admin', key.privateKey)],
    ['claims that are null', signToken(header, null, key.privateKey)],
    ['claims that were changed', `${head}.${encode({ ...claims, sub: 'usr-2' })}.${seal}`],
    ['a header that was changed', `${encode({ ...header, typ: 'at+jwt' })}.${body}.${seal}`],
    ['a signature with one bit flipped', `${head}.${body}.${flipped(seal, 5)}`],
    ['a signature of zeros', `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`],
    ['a signature cut short', `${head}.${body}.${seal.slice(0, -4)}`],
    ['a signature that is longer', `${head}.${body}.${seal}AAAA`],
    [
      'other unread bits at the end',
      `${good.slice(0, -1)}${good.endsWith('A') || good.endsWith('Q') ? (good.endsWith('A') ? 'B' : 'R') : String.fromCharCode(good.charCodeAt(good.length - 1) + 1)}`,
    ],
    ['padding', `${good}==`],
    ['no signature', `${head}.${body}.`],
    ['two parts', `${head}.${body}`],
    ['four parts', `${good}.${seal}`],
    ['one part', head],
    ['five parts, as encrypted ones have', `${good}.${seal}.${seal}`],
    ['parts in another order', `${body}.${head}.${seal}`],
    ['truncated in the middle', good.slice(0, good.length / 2)],
    ['huge claims', signedWith({}, { name: 'x'.repeat(200), more: 'x'.repeat(5000) })],
    ['a megabyte of dots', '.'.repeat(8000)],
    ['no base64url', `${head}.${body}.${'!'.repeat(86)}`],
    ['a line break', `${head}.\n${body}.${seal}`],
  ].map(([name, token]) => [name as string, token as string])
}
