import type { AddressInfo } from 'node:net'
import { auditConfig, createAuditLog, mountAudit, type NewAuditRow } from '@belfry/audit'
import { resolvedUsers, resolveUsersBody } from '@belfry/contracts'
import type { Instance, Registry } from '@belfry/discovery'
import { createHttpApp, type ServiceTokens } from '@belfry/http'
import type { ServiceDeps } from '@belfry/service'
import { z } from 'zod'
import { createDocumentStore } from '../../../libs/audit/test/documents.ts'

/** auth-service for job-service: it knows three users by their names. */
export async function openUsers(deps: ServiceDeps, registry: Registry, serviceTokens: ServiceTokens) {
  const app = createHttpApp({ service: 'auth-service', deps, tokens: null, serviceTokens })
  const state = {
    /** Names that were asked for. */
    asked: [] as string[],
    known: [
      { id: 'usr-a', username: 'Ann', disabled: false },
      { id: 'usr-b', username: 'Ben', disabled: false },
      { id: 'usr-c', username: 'Cat', disabled: false },
    ],
  }
  const schema = { body: resolveUsersBody, response: { 200: resolvedUsers } }
  app.post('/internal/users/resolve', { schema, config: { access: 'service' } }, async ({ body: { usernames } }) => {
    state.asked.push(...usernames)
    return { data: state.known.filter(({ username }) => usernames.includes(username.toLowerCase())) }
  })
  const store = createDocumentStore()
  mountAudit(
    app,
    createAuditLog({
      ...{ deps, store, config: z.object(auditConfig).parse({}), takesTurn: () => false },
      retentionClock: { turn: async () => null },
    }),
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const instance: Instance = { service: 'auth-service', id: `auth-${port}`, host: '127.0.0.1', port }
  await registry.register(instance)
  return {
    state,
    /** Adds a row to its audit log. */
    audit: (row: NewAuditRow) => store.append(row),
    leave: () => registry.deregister(instance),
    join: () => registry.register(instance),
    close: () => app.close(),
  }
}
