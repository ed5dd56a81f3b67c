import { noteAudit } from '@belfry/audit'
import { acceptInviteBody, bootstrapBody, isRefusal, userView } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Admins } from '../accounts/admins.ts'
import type { FirstAdmin } from '../accounts/first-admin.ts'
import type { SetPassword } from '../accounts/set-password.ts'
import { userViewOf } from '../accounts/user.ts'
import { addressOf, noteOf } from './replies.ts'

export interface OneTimeRoutesDeps {
  firstAdmin: FirstAdmin
  setPassword: SetPassword
  admins: Admins
}

const tags = ['auth']
const bootstrap = {
  operationId: 'makeFirstAdmin',
  tags,
  summary: 'Make the first admin',
  description:
    'Takes the one-time token of the start (standalone: the link that is printed, good for 10 minutes; distributed: BELFRY_BOOTSTRAP_TOKEN), and makes a new user, or one with the right password, the first admin. 403 as soon as there is one.',
  body: bootstrapBody,
  response: { 201: userView },
  answerHeaders: { 201: ['location'] },
  problems: ['forbidden', 'wrong-credentials', 'impossible', 'too-many-requests'],
  examples: {
    newUser: {
      summary: 'A new user becomes the first admin',
      value: { token: 'The text after "#" of the link', username: 'root', password: 'correct horse battery' },
    },
  },
} as const
const invite = {
  operationId: 'acceptInvitation',
  tags,
  summary: 'Set a password by invitation',
  description: 'Takes the one-time token of an invitation, and ends all logins of the user.',
  body: acceptInviteBody,
  response: { 200: userView },
  problems: ['forbidden', 'impossible', 'too-many-requests'],
  examples: {
    password: {
      summary: 'The password of an invited user',
      value: { token: 'The text after "#" of the link', password: 'correct horse battery' },
    },
  },
} as const

/** What is done with one-time tokens: `/auth/bootstrap`, `/auth/invite`. */
export function mountOneTime(app: HttpApp, { firstAdmin, setPassword, admins }: OneTimeRoutesDeps): void {
  app.post('/auth/bootstrap', { schema: bootstrap, config: { access: 'public' } }, async (request, reply) => {
    const made = await firstAdmin(request.body, addressOf(request.raw))
    if (isRefusal(made)) return reply.refuse(made)
    noteAudit(request, noteOf(made.user))
    reply.code(201).header('location', '/auth/me')
    return userViewOf(made.user, 'admin', made.warnings)
  })

  app.post('/auth/invite', { schema: invite, config: { access: 'public' } }, async (request, reply) => {
    const set = await setPassword.accept(request.body, addressOf(request.raw))
    if (isRefusal(set)) return reply.refuse(set)
    noteAudit(request, noteOf(set.user))
    return userViewOf(set.user, await admins.roleOf(set.user), set.warnings)
  })
}
