import { apiKeyList, createApiKeyBody, isRefusal, newApiKey, refusal } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import { z } from 'zod'
import { apiKeyViewOf } from '../api-keys/api-key.ts'
import type { ApiKeys } from '../api-keys/api-keys.ts'
import { needsLogin } from './sessions.ts'

const tags = ['auth']
const noSuchKey = refusal('not-found', 'You have no API key of that id.')
const params = z.strictObject({ id: z.string().min(1).max(64).describe('The id of the key, such as "key-…".') })

const create = {
  operationId: 'createApiKey',
  tags,
  summary: 'Make an API key',
  description:
    'For programs. The answer is the only one that shows the key. It does what its owner may do, or less by "role", and never more than the owner at the moment of a call. At most 50 a user.',
  body: createApiKeyBody,
  response: { 201: newApiKey },
  answerHeaders: { 201: ['cache-control'] },
  problems: ['forbidden', 'quota-exceeded'],
  examples: {
    reader: {
      summary: 'A key that reads, for 90 days',
      value: { name: 'Dashboard', role: 'viewer', expiresIn: '90d' },
    },
  },
} as const
const list = {
  operationId: 'listApiKeys',
  tags,
  summary: 'Your API keys',
  description:
    'All API keys of the caller, the newest first, without their secrets. One that has expired is shown until it is deleted.',
  response: { 200: apiKeyList },
}
const remove = {
  operationId: 'deleteApiKey',
  tags,
  summary: 'Delete an API key',
  description: 'Calls with the key are refused within a minute.',
  params,
  problems: ['forbidden'],
  response: { 204: z.null().describe('The key is deleted.') },
} as const

/** `/auth/api-keys`. */
export function mountApiKeys(app: HttpApp, apiKeys: ApiKeys): void {
  app.post('/auth/api-keys', { schema: create, config: { access: 'viewer' } }, async (request, reply) => {
    const { userId, apiKeyId } = request.caller
    if (apiKeyId !== undefined) return reply.refuse(needsLogin)
    const made = await apiKeys.create(userId, request.body)
    if (isRefusal(made)) return reply.refuse(made)
    reply.code(201).header('cache-control', 'no-store')
    return { ...apiKeyViewOf(made.key), key: made.text }
  })

  app.get('/auth/api-keys', { schema: list, config: { access: 'viewer' } }, async (request) => ({
    data: (await apiKeys.list(request.caller.userId)).map(apiKeyViewOf),
  }))

  app.delete('/auth/api-keys/:id', { schema: remove, config: { access: 'viewer' } }, async (request, reply) => {
    const { userId, apiKeyId } = request.caller
    // A key may end itself, but no other one.
    if (apiKeyId !== undefined && apiKeyId !== request.params.id) return reply.refuse(needsLogin)
    if (!(await apiKeys.remove(userId, request.params.id))) return reply.refuse(noSuchKey)
    return reply.code(204).send(null)
  })
}
