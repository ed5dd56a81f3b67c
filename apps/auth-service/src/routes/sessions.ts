import { noteAudit } from '@belfry/audit'
import { isRefusal, loginReply, passwordBody, refreshBody, refusal } from '@belfry/contracts'
import { countRequest, type HttpApp, type RateLimiter } from '@belfry/http'
import type { Counter } from '@belfry/service'
import { z } from 'zod'
import type { Admins } from '../accounts/admins.ts'
import type { SetPassword } from '../accounts/set-password.ts'
import { foldUsername } from '../accounts/user.ts'
import { over, type Sessions } from '../sessions/sessions.ts'
import { addressOf, type LoginReplies, noteOf } from './replies.ts'

export interface SessionRoutesDeps {
  sessions: Sessions
  setPassword: SetPassword
  admins: Admins
  replyFor: LoginReplies
  /** By `outcome`: `ok`, `replay`, `unknown`, or the code of the refusal. */
  refreshes: Counter
  /** The one of the logins: a guess of the old password counts as a login. */
  loginLimit: RateLimiter
}

const tags = ['auth']
/** Refuses what a key must not do: a stolen key would otherwise outlive its deletion. */
export const needsLogin = refusal('forbidden', 'This needs a login: an API key cannot do it.')

const refreshExamples = {
  token: { summary: 'The refresh token of a login', value: { refreshToken: 'The refreshToken of a login' } },
}

const refresh = {
  operationId: 'refreshLogin',
  tags,
  summary: 'Get the next access token',
  description:
    'Takes the newest refresh token of a login and answers new tokens. The same call again within 10 s gives the same refresh token; an older one ends the login, since a copy of it must be in other hands (401).',
  body: refreshBody,
  response: { 200: loginReply },
  answerHeaders: { 200: ['cache-control'] },
  problems: ['unauthenticated', 'too-many-requests'],
  examples: refreshExamples,
} as const
const logout = {
  operationId: 'logOut',
  tags,
  summary: 'Log out',
  description:
    'Ends the login of a refresh token. 204 also for one that is not valid any more. Access tokens that were given out are good until they expire.',
  body: refreshBody,
  response: { 204: z.null().describe('The login has ended.') },
  examples: refreshExamples,
} as const
const change = {
  operationId: 'changePassword',
  tags,
  summary: 'Change the password',
  description:
    'Needs the current password. A wrong one counts as a wrong login. All other logins of the user end; the answer begins a new one.',
  body: passwordBody,
  response: { 200: loginReply },
  answerHeaders: { 200: ['cache-control'] },
  problems: ['wrong-credentials', 'forbidden', 'impossible'],
  examples: {
    change: {
      summary: 'Another password',
      value: { current: 'correct horse battery', next: 'staple battery horse correct' },
    },
  },
} as const

/** `/auth/refresh`, `/auth/logout`, `/auth/password`. */
export function mountSessions(app: HttpApp, deps: SessionRoutesDeps): void {
  const { sessions, setPassword, admins, replyFor, refreshes, loginLimit } = deps

  app.post('/auth/refresh', { schema: refresh, config: { access: 'public' } }, async (request, reply) => {
    const next = await sessions.refresh(request.body.refreshToken)
    if (next === 'unknown') {
      refreshes.inc({ outcome: next })
      return reply.refuse(over)
    }
    if ('replayedBy' in next) {
      refreshes.inc({ outcome: 'replay' })
      noteAudit(request, { ...noteOf(next.replayedBy), also: [next.sessionId] })
      return reply.refuse(over)
    }
    refreshes.inc({ outcome: isRefusal(next) ? next.code : 'ok' })
    if (isRefusal(next)) return reply.refuse(next)
    noteAudit(request, noteOf(next.user))
    reply.header('cache-control', 'no-store')
    return replyFor(next, await admins.roleOf(next.user))
  })

  app.post('/auth/logout', { schema: logout, config: { access: 'public' } }, async (request, reply) => {
    await sessions.end(request.body.refreshToken)
    return reply.code(204).send(null)
  })

  app.post('/auth/password', { schema: change, config: { access: 'viewer' } }, async (request, reply) => {
    const { userId, username, apiKeyId } = request.caller
    if (apiKeyId !== undefined) return reply.refuse(needsLogin)
    const tooMany = countRequest(reply, [[loginLimit, foldUsername(username)]])
    const changed = tooMany ?? (await setPassword.change(userId, request.body, addressOf(request.raw)))
    if (isRefusal(changed)) return reply.refuse(changed)
    reply.header('cache-control', 'no-store')
    const { user } = changed
    const [session, role] = await Promise.all([sessions.begin(user), admins.roleOf(user)])
    return replyFor(session, role)
  })
}
