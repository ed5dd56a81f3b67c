import type { IncomingMessage } from 'node:http'
import { isRefusal, loginBody, loginReply, refusal, signupBody, userView } from '@belfry/contracts'
import { countRequest, type HttpApp, type RateLimiter } from '@belfry/http'
import type { Clock, Counter } from '@belfry/service'
import type { LogIn } from '../accounts/log-in.ts'
import type { SignUp } from '../accounts/sign-up.ts'
import { foldUsername, type User, userViewOf } from '../accounts/user.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { UserStore } from '../store/ports.ts'

export interface AccountRoutesDeps {
  signUp: SignUp
  logIn: LogIn
  users: UserStore
  keys: KeyRing
  clock: Pick<Clock, 'now'>
  tokenLifetimeMs: number
  /** By `outcome`: `ok`, or the code of the refusal. */
  logins: Counter
  /** By account, whether it exists or not. */
  loginLimit: RateLimiter
}

/** The client's address, by the gateway's header. The gateway drops what a client sends under this name. */
function addressOf({ headers, socket }: IncomingMessage): string {
  return headers['x-forwarded-for']?.toString() ?? socket.remoteAddress ?? ''
}

const tags = ['auth']
const accountExamples = {
  account: { summary: 'A name and a password', value: { username: 'ada', password: 'correct horse battery' } },
}
const gone = refusal('unauthenticated', 'The user of this token does not exist any more.')

/** `/auth/signup`, `/auth/login`, `/auth/me`. */
export function mountAccounts(app: HttpApp, deps: AccountRoutesDeps): void {
  const { signUp, logIn, users, keys, clock, tokenLifetimeMs, logins, loginLimit } = deps

  const signup = {
    operationId: 'signUp',
    tags,
    summary: 'Sign up',
    description:
      'Makes a user. The first user of a standalone Belfry also gets a job called `hello`, which runs at once.',
    body: signupBody,
    response: { 201: userView },
    answerHeaders: { 201: ['location'] },
    problems: ['conflict', 'impossible', 'too-many-requests'],
    examples: accountExamples,
  } as const
  app.post('/auth/signup', { schema: signup, config: { access: 'public' } }, async (request, reply) => {
    const made = await signUp(request.body, addressOf(request.raw))
    if (isRefusal(made)) return reply.refuse(made)
    reply.code(201).header('location', '/auth/me')
    return userViewOf(made.user, made.warnings)
  })

  const replyFor = async (user: User) => {
    const signer = await keys.signer()
    const token = signer.sign(user, clock.now(), tokenLifetimeMs)
    const expiresIn = Math.floor(tokenLifetimeMs / 1000)
    return { token, accessToken: token, tokenType: 'Bearer' as const, expiresIn }
  }

  const login = {
    operationId: 'logIn',
    tags,
    summary: 'Log in',
    description:
      'Gives a token for the other calls. The answer is the same, and takes as long, whether the name or the password is wrong. Wrong passwords in a row make the next login to the account wait.',
    body: loginBody,
    response: { 200: loginReply },
    answerHeaders: { 200: ['cache-control'] },
    problems: ['wrong-credentials', 'too-many-requests'],
    examples: accountExamples,
  } as const
  app.post('/auth/login', { schema: login, config: { access: 'public' } }, async (request, reply) => {
    const tooMany = countRequest(reply, [[loginLimit, foldUsername(request.body.username)]])
    const user = tooMany ?? (await logIn(request.body))
    logins.inc({ outcome: isRefusal(user) ? user.code : 'ok' })
    if (isRefusal(user)) return reply.refuse(user)
    reply.header('cache-control', 'no-store')
    return replyFor(user)
  })

  const me = {
    operationId: 'getMe',
    tags,
    summary: 'Who the token belongs to',
    description: 'The user of the token that the call carries.',
    response: { 200: userView },
  }
  app.get('/auth/me', { schema: me, config: { access: 'viewer' } }, async (request, reply) => {
    const user = await users.findById(request.caller.userId)
    return user ? userViewOf(user) : reply.refuse(gone)
  })
}
