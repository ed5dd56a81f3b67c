import {
  createdUser,
  createUserBody,
  isRefusal,
  managedUser,
  patchUserBody,
  toWireTime,
  userPage,
  usersQuery,
} from '@belfry/contracts'
import { decodeCursor, type HttpApp, sendPage } from '@belfry/http'
import { z } from 'zod'
import { type Admins, userStateIn } from '../accounts/admins.ts'
import { type InvitedUser, type ManageUsers, noSuchUser } from '../accounts/manage-users.ts'
import { foldUsername, managedUserOf, type User } from '../accounts/user.ts'
import type { UserStore } from '../store/ports.ts'
import { addressOf } from './replies.ts'
import { needsLogin } from './sessions.ts'

export interface UserRoutesDeps {
  users: UserStore
  admins: Admins
  manageUsers: ManageUsers
}

const tags = ['auth']
const params = z.strictObject({ id: z.string().min(1).max(64).describe('The id of the user, such as "usr-…".') })
/** The page of the gateway on which an invited user sets a password. */
const invitePath = '/set-password'
const access = 'admin' as const

const list = {
  operationId: 'listUsers',
  tags,
  summary: 'The users',
  description: 'All users by name, or those whose name begins with "q". For admins.',
  querystring: usersQuery,
  response: { 200: userPage },
  answerHeaders: { 200: ['link'] },
} as const
const get = {
  operationId: 'getUser',
  tags,
  summary: 'One user',
  description: 'One user as an admin sees it. For admins.',
  params,
  response: { 200: managedUser },
}
const patch = {
  operationId: 'updateUser',
  tags,
  summary: 'Change the role of a user, or shut a user out',
  description:
    'A new role counts from the next refresh of a login on, for API keys within a minute. A disabled user cannot log in or refresh; access tokens that were given out are good for up to 15 minutes, API keys for one. The last admin keeps the role (409). An API key makes no admin. For admins.',
  params,
  body: patchUserBody,
  response: { 200: managedUser },
  problems: ['conflict'],
  examples: {
    role: { summary: 'Another role', value: { roles: ['operator'] } },
    shutOut: { summary: 'Shut out', value: { disabled: true } },
  },
} as const
const create = {
  operationId: 'createUser',
  tags,
  summary: 'Make a user',
  description:
    'With a password, or without one: then the answer has an invitation, good for a week and once, with which the user sets it. For admins; also where sign-up is not open, unless BELFRY_AUTH_SIGNUP is closed.',
  body: createUserBody,
  response: { 201: createdUser },
  answerHeaders: { 201: ['location', 'cache-control'] },
  problems: ['forbidden', 'conflict', 'impossible'],
  examples: {
    invited: { summary: 'A user who sets a password by invitation', value: { username: 'grace', role: 'user' } },
  },
} as const
const invite = {
  operationId: 'inviteUser',
  tags,
  summary: 'Let a user set a new password',
  description:
    'Answers an invitation in place of an older one: for a user who has lost the password. The old password is good until the invitation is used. For admins, by a login: an API key cannot do it.',
  params,
  response: { 200: createdUser },
  answerHeaders: { 200: ['cache-control'] },
} as const

/** `/auth/users`. There is no delete: what a user owns would be without an owner. A disabled user keeps it. */
export function mountUsers(app: HttpApp, { users, admins, manageUsers }: UserRoutesDeps): void {
  const viewOf = async (user: User) => managedUserOf(user, await admins.stateOf(user))
  const invitedView = async ({ user, invitation, warnings }: InvitedUser) => ({
    ...(await viewOf(user)),
    invitation: invitation && {
      token: invitation.token,
      path: `${invitePath}#${invitation.token}`,
      expiresAt: toWireTime(invitation.expiresAt),
    },
    warnings: [...warnings],
  })

  app.get('/auth/users', { schema: list, config: { access } }, async (request, reply) => {
    const { q = '', limit, cursor } = request.query
    const after = cursor === undefined ? ([''] as [string]) : decodeCursor(cursor, z.tuple([z.string().max(64)]))
    if (isRefusal(after)) return reply.refuse(after)
    const found = await users.list({ after: after[0], beginning: foldUsername(q), limit: limit + 1 })
    const admin = await admins.read()
    const cursorOf = ({ username }: User) => [foldUsername(username)]
    return sendPage(reply, found, limit, cursorOf, (user) => managedUserOf(user, userStateIn(admin, user)))
  })

  app.get('/auth/users/:id', { schema: get, config: { access } }, async (request, reply) => {
    const user = await users.findById(request.params.id)
    return user ? viewOf(user) : reply.refuse(noSuchUser)
  })

  app.patch('/auth/users/:id', { schema: patch, config: { access } }, async (request, reply) => {
    const { apiKeyId } = request.caller
    if (apiKeyId !== undefined && request.body.roles?.includes('admin')) return reply.refuse(needsLogin)
    const user = await manageUsers.change(request.caller.userId, request.params.id, request.body)
    return isRefusal(user) ? reply.refuse(user) : viewOf(user)
  })

  app.post('/auth/users', { schema: create, config: { access } }, async (request, reply) => {
    const made = await manageUsers.create(request.caller.userId, request.body, addressOf(request.raw))
    if (isRefusal(made)) return reply.refuse(made)
    reply.code(201).header('location', `/auth/users/${made.user.id}`).header('cache-control', 'no-store')
    return invitedView(made)
  })

  app.post('/auth/users/:id/invite', { schema: invite, config: { access } }, async (request, reply) => {
    if (request.caller.apiKeyId !== undefined) return reply.refuse(needsLogin)
    const invited = await manageUsers.invite(request.caller.userId, request.params.id)
    if (isRefusal(invited)) return reply.refuse(invited)
    reply.header('cache-control', 'no-store')
    return invitedView(invited)
  })
}
