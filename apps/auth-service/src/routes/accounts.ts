import { noteAudit } from '@belfry/audit'
import { isRefusal, loginBody, loginReply, meView, refusal, signupBody, userView } from '@belfry/contracts'
import { countRequest, type HttpApp, type RateLimiter } from '@belfry/http'
import type { Counter } from '@belfry/service'
import type { Admins } from '../accounts/admins.ts'
import type { LogIn } from '../accounts/log-in.ts'
import type { SignUp } from '../accounts/sign-up.ts'
import { foldUsername, highestRole, userViewOf } from '../accounts/user.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { UserStore } from '../store/ports.ts'
import { addressOf, type LoginReplies, noteOf } from './replies.ts'

export interface AccountRoutesDeps {
  signUp: SignUp
  logIn: LogIn
  sessions: Sessions
  users: UserStore
  admins: Admins
  replyFor: LoginReplies
  /** By `outcome`: `ok`, or the code of the refusal. */
  logins: Counter
  /** By account, whether it exists or not. */
  loginLimit: RateLimiter
}

const tags = ['auth']
const accountExamples = {
  account: { summary: 'A name and a password', value: { username: 'ada', password: 'correct horse battery' } },
}
const gone = refusal('unauthenticated', 'The user of this token does not exist any more.')

const signup = {
  operationId: 'signUp',
  tags,
  summary: 'Sign up',
  description:
    'Makes a user of the role "user". 403 where sign-up is not open (BELFRY_AUTH_SIGNUP), 409 for a taken name.',
  body: signupBody,
  response: { 201: userView },
  answerHeaders: { 201: ['location'] },
  problems: ['forbidden', 'conflict', 'impossible', 'too-many-requests'],
  examples: accountExamples,
} as const
const login = {
  operationId: 'logIn',
  tags,
  summary: 'Log in',
  description:
    'Answers an access token of a quarter of an hour and a refresh token for the next one. Wrong passwords in a row make the next login wait (429).',
  body: loginBody,
  response: { 200: loginReply },
  answerHeaders: { 200: ['cache-control'] },
  problems: ['wrong-credentials', 'too-many-requests'],
  examples: accountExamples,
} as const
const me = {
  operationId: 'getMe',
  tags,
  summary: 'Who the token belongs to',
  description:
    'The user of the token, the role that the token has, and whether it comes from a login or from an API key.',
  response: { 200: meView },
}

/** `/auth/signup`, `/auth/login`, `/auth/me`. */
export function mountAccounts(app: HttpApp, deps: AccountRoutesDeps): void {
  const { signUp, logIn, sessions, users, admins, replyFor, logins, loginLimit } = deps

  app.post('/auth/signup', { schema: signup, config: { access: 'public' } }, async (request, reply) => {
    const made = await signUp(request.body, addressOf(request.raw))
    if (isRefusal(made)) return reply.refuse(made)
    noteAudit(request, noteOf(made.user))
    reply.code(201).header('location', '/auth/me')
    return userViewOf(made.user, highestRole(made.user.roles), made.warnings)
  })

  app.post('/auth/login', { schema: login, config: { access: 'public' } }, async (request, reply) => {
    const tooMany = countRequest(reply, [[loginLimit, foldUsername(request.body.username)]])
    const user = tooMany ?? (await logIn(request.body))
    logins.inc({ outcome: isRefusal(user) ? user.code : 'ok' })
    if (isRefusal(user)) return reply.refuse(user)
    noteAudit(request, noteOf(user))
    reply.header('cache-control', 'no-store')
    const [session, role] = await Promise.all([sessions.begin(user), admins.roleOf(user)])
    return replyFor(session, role)
  })

  app.get('/auth/me', { schema: me, config: { access: 'viewer' } }, async (request, reply) => {
    const { userId, roles, apiKeyId = null } = request.caller
    const user = await users.findById(userId)
    if (!user) return reply.refuse(gone)
    const via = apiKeyId === null ? ('login' as const) : ('api-key' as const)
    return { ...userViewOf(user, highestRole(roles)), via, apiKeyId }
  })
}
