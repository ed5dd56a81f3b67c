import { isRefusal, type Refusal, type Role, refusal, type ServiceName, toWireTime } from '@belfry/contracts'
import jwt from '@fastify/jwt'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Access, mayAccess } from './access.ts'
import type { Caller } from './caller.ts'
import type { HttpApp } from './http-app.ts'
import { sendRefusal } from './problem.ts'
import { routeConfigOf } from './route-config.ts'
import type { ServiceTokens } from './service-tokens.ts'
import { KeysUnavailable, type TokenVerifier, tokenAudience, tokenIssuer } from './tokens.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller whose token came with the request. Only on routes whose access is a role; elsewhere reading it throws. */
    readonly caller: Caller
    /** The calling service. Only on routes whose access is `service`; elsewhere reading it throws. */
    readonly callingService: ServiceName
  }
}

/** Longest token that is looked at, characters: ours have about 400. */
const longestToken = 4096
const jwtText = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/
/** How the text of an API key begins; an access token begins with `ey`. */
const apiKeyText = /^bfk_/

const howTo = 'Send a valid access token as "Authorization: Bearer …".'
const noToken = refusal('unauthenticated', howTo)
/** Every invalid token gets the same answer, but for one that was valid until it expired. */
const badToken = refusal('unauthenticated', howTo, { tokenError: {} })
const expired = (at: number) => {
  const description = `The access token expired at ${toWireTime(at)}`
  const next = 'Get the next one: POST /auth/refresh; or log in again: POST /auth/login.'
  return refusal('unauthenticated', `${description}. ${next}`, { tokenError: { description } })
}
const keysUnavailable = refusal('unavailable', 'Tokens cannot be checked while the keys are out of reach.')
const forbidden = (needed: Role) => refusal('forbidden', `This needs the role "${needed}".`)
const servicesOnly = refusal('unauthenticated', 'This address is for services.')

/** What a request has to show who sends it. `bad`: a token that cannot be one of ours. */
type Credential =
  | { readonly kind: 'token' | 'api-key'; readonly text: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'bad' }

const none: Credential = { kind: 'none' }
const bad: Credential = { kind: 'bad' }

/** `X-API-Key` counts where no bearer token is: tools that can set one header only often have this one. */
function credentialOf({ headers }: FastifyRequest): Credential {
  const { authorization = '', 'x-api-key': apiKey } = headers
  if (/^bearer(?: |$)/i.test(authorization)) {
    const text = authorization.slice('bearer '.length)
    if (text.length > longestToken) return bad
    if (apiKeyText.test(text)) return { kind: 'api-key', text }
    return jwtText.test(text) ? { kind: 'token', text } : bad
  }
  return typeof apiKey === 'string' ? { kind: 'api-key', text: apiKey } : none
}

/** Makes an access token of an API key, at the gateway; or refuses. */
export type SwapApiKey = (key: string, request: FastifyRequest) => Promise<string | Refusal>

/** Base64url may end in unused bits; a token with other ones there is another text for the same signature. */
function isCanonical(token: string): boolean {
  return token.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
}

/** Our tokens have these and no others: `crit`, `jku`, `jwk`, `x5u`, `b64` and the like are never even looked at. */
const headerNames = ['alg', 'kid', 'typ']

interface DecodedToken {
  readonly header: Readonly<Record<string, unknown>>
}

async function keyOf(tokens: TokenVerifier, { header }: DecodedToken): Promise<string> {
  const isOurs = Object.keys(header).every((name) => headerNames.includes(name))
  const key =
    isOurs && header.alg === 'EdDSA' && typeof header.kid === 'string' ? await tokens.keyOf(header.kid) : undefined
  if (key === undefined) throw new Error('the token is signed with no key of ours')
  return key
}

/** Where the identity is stored on the request; read through the getters, which throw on a route that has none. */
const callerOn = Symbol('caller')
const serviceOn = Symbol('callingService')

interface Identities {
  [callerOn]: Caller | null
  [serviceOn]: ServiceName | null
}

function identities(request: FastifyRequest): Identities {
  return request as unknown as Identities
}

/** The user whose token came with the request; null where there was no valid one. A request that its role refuses has one. */
export function knownCaller(request: FastifyRequest): Caller | null {
  return identities(request)[callerOn]
}

function present<T>(identity: T | null, name: string): T {
  if (identity === null) throw new Error(`request.${name} was read on a route whose access gives none`)
  return identity
}

function decorate(app: HttpApp): void {
  app.decorateRequest(callerOn, null)
  app.decorateRequest(serviceOn, null)
  app.decorateRequest('caller', {
    getter() {
      return present(identities(this)[callerOn], 'caller')
    },
  })
  app.decorateRequest('callingService', {
    getter() {
      return present(identities(this)[serviceOn], 'callingService')
    },
  })
}

/** Signatures, issuer and audience. Times are checked by `callerOf`, against the clock that was handed in. */
function registerJwt(app: HttpApp, tokens: TokenVerifier): void {
  app.register(jwt, {
    secret: { public: (_request: FastifyRequest, token: unknown) => keyOf(tokens, token as DecodedToken) },
    decode: { complete: true },
    decoratorName: 'jwtClaims',
    verify: {
      algorithms: ['EdDSA'],
      allowedIss: tokenIssuer,
      allowedAud: tokenAudience,
      requiredClaims: ['iss', 'aud', 'sub', 'exp', 'iat'],
      ignoreExpiration: true,
      ignoreNotBefore: true,
    },
  })
}

function isKeysUnavailable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  return (
    error instanceof KeysUnavailable || ('originalError' in error && error.originalError instanceof KeysUnavailable)
  )
}

function outcomeOf(accepted: ReturnType<TokenVerifier['accept']>): Caller | Refusal {
  if (accepted === undefined) return badToken
  return 'expiredAt' in accepted ? expired(accepted.expiredAt) : accepted
}

type Resolve = (outcome: Caller | Refusal) => void

/** Resolves with the token's caller: at once when it was verified before, else after @fastify/jwt has checked it. */
function identify(request: FastifyRequest, tokens: TokenVerifier, token: string, resolve: Resolve): void {
  const known = tokens.recall(token)
  if (known) resolve(known)
  else if (!isCanonical(token)) resolve(badToken)
  else {
    request.jwtVerify((error: Error | null, claims: unknown) => {
      if (error) resolve(isKeysUnavailable(error) ? keysUnavailable : badToken)
      else resolve(outcomeOf(tokens.accept(token, claims)))
    })
  }
}

/** What a hook of an app checks requests with. Null: the app has no routes that need it. */
export interface Authenticators {
  readonly tokens: TokenVerifier | null
  readonly serviceTokens: ServiceTokens | null
  /** Null: the app takes no API keys. */
  readonly swapApiKey: SwapApiKey | null
}

/**
 * The hook that lets a request in or refuses it by its route's access rule, before its body is read. An API key is replaced by an
 * access token, in the header too, so that what is behind sees tokens only.
 */
export function createAuthentication(app: HttpApp, { tokens, serviceTokens, swapApiKey }: Authenticators) {
  decorate(app)
  if (tokens) registerJwt(app, tokens)

  const admitService = (request: FastifyRequest, credential: Credential): Refusal | undefined => {
    const service = credential.kind === 'token' ? serviceTokens?.verify(credential.text) : undefined
    if (service === undefined) return servicesOnly
    identities(request)[serviceOn] = service
    return undefined
  }

  const admitUser = (request: FastifyRequest, needed: Role, found: Caller | Refusal): Refusal | undefined => {
    if (isRefusal(found)) return found
    identities(request)[callerOn] = found
    return mayAccess(found.roles, needed) ? undefined : forbidden(needed)
  }

  const identifyByKey = (request: FastifyRequest, verifier: TokenVerifier, key: string, resolve: Resolve) => {
    if (!swapApiKey) return resolve(badToken)
    swapApiKey(key, request).then(
      (token) => {
        if (isRefusal(token)) return resolve(token)
        request.headers.authorization = `Bearer ${token}`
        identify(request, verifier, token, resolve)
      },
      () => resolve(keysUnavailable),
    )
  }

  const check = (request: FastifyRequest, access: Exclude<Access, 'public'>, resolve: (refused?: Refusal) => void) => {
    const credential = credentialOf(request)
    if (access === 'service') return resolve(admitService(request, credential))
    const admit: Resolve = (found) => resolve(admitUser(request, access, found))
    if (credential.kind === 'none' || !tokens) admit(noToken)
    else if (credential.kind === 'bad') admit(badToken)
    else if (credential.kind === 'api-key') identifyByKey(request, tokens, credential.text, admit)
    else identify(request, tokens, credential.text, admit)
  }

  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { access } = routeConfigOf(request)
    if (request.is404 || access === undefined || access === 'public') done()
    else check(request, access, (refused) => (refused ? sendRefusal(reply, refused) : done()))
  }
}
