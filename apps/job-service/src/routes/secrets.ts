import {
  isRefusal,
  pageOf,
  pageQuery,
  putSecretBody,
  resolveSecretsBody,
  resolveSecretsReply,
  type SecretView,
  secretName,
  secretView,
  toWireTime,
} from '@belfry/contracts'
import { decodeCursor, type HttpApp, sendPage } from '@belfry/http'
import { z } from 'zod'
import type { Secret } from '../domain/secret.ts'
import type { JobContext } from '../use-cases/context.ts'
import { noSuchSecret, putSecret, resolveSecrets } from '../use-cases/secrets.ts'

const tags = ['secrets']
const params = z.object({ name: secretName })
const cursorShape = z.tuple([z.string()])

function viewSecret({ name, createdAt, updatedAt }: Secret): SecretView {
  const times = { createdAt: toWireTime(createdAt), updatedAt: toWireTime(updatedAt) }
  return { name, reference: `{{secret:${name}}}`, ...times }
}

/** `/secrets`: values that params name. None of these answers holds a value. */
export function mountSecrets(app: HttpApp, context: JobContext): void {
  const { secrets } = context.stores

  const put = {
    operationId: 'putSecret',
    tags,
    summary: 'Store a secret, or replace its value',
    description:
      'Stores the value sealed. The params of jobs name it as `{{secret:NAME}}`; an executor puts the value in its place for each attempt, so a new value counts from the next attempt on.',
    params,
    body: putSecretBody,
    response: { 200: secretView, 201: secretView },
    answerHeaders: { 201: ['location'] },
    problems: ['quota-exceeded'],
    examples: { token: { summary: 'A token', value: { value: 'sk-1234567890' } } },
  } as const
  app.put('/secrets/:name', { schema: put, config: { access: 'user' } }, async (request, reply) => {
    const { name } = request.params
    const stored = await putSecret(context, { ownerId: request.caller.userId, name }, request.body.value)
    if (isRefusal(stored)) return reply.refuse(stored)
    if (stored.isNew) reply.header('location', '/secrets')
    return reply.code(stored.isNew ? 201 : 200).send(viewSecret(stored.secret))
  })

  const list = {
    operationId: 'listSecrets',
    tags,
    summary: 'Your secrets, by name',
    description: 'Names and dates of your secrets. No answer shows a value.',
    querystring: pageQuery,
    response: { 200: pageOf(secretView) },
    answerHeaders: { 200: ['link'] },
  } as const
  app.get('/secrets', { schema: list, config: { access: 'viewer' } }, async (request, reply) => {
    const { cursor, limit } = request.query
    const after = cursor === undefined ? null : decodeCursor(cursor, cursorShape)
    if (isRefusal(after)) return reply.refuse(after)
    const rows = await secrets.list(request.caller.userId, { after: after?.[0] ?? null, limit: limit + 1 })
    return sendPage(reply, rows, limit, ({ name }) => [name], viewSecret)
  })

  const remove = {
    operationId: 'deleteSecret',
    tags,
    summary: 'Delete a secret',
    description:
      'Attempts whose params name it fail from now on with `secret-not-found`, and are not retried. One that has its value already goes on.',
    params,
    response: { 200: secretView },
  }
  app.delete('/secrets/:name', { schema: remove, config: { access: 'user' } }, async (request, reply) => {
    const removed = await secrets.remove(request.caller.userId, request.params.name)
    return removed ? reply.send(viewSecret(removed)) : reply.refuse(noSuchSecret)
  })

  const resolve = { body: resolveSecretsBody, response: { 200: resolveSecretsReply } }
  app.post('/internal/secrets/resolve', { schema: resolve, config: { access: 'service' } }, async ({ body }) => ({
    values: await resolveSecrets(context, body.ownerId, body.names),
  }))
}
