import type { Problem } from '@belfry/contracts'
import { createStaticRegistry } from '@belfry/discovery'
import type { ManualClock } from '@belfry/service'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { createTestDeps, createTestServiceTokens } from '@belfry/testkit'
import { onTestFinished } from 'vitest'
import { type AuthConfig, authConfig, createAuthService } from '../src/index.ts'
import type { Stores } from '../src/store/ports.ts'
import { createSqliteStores, migrations } from '../src/store/sqlite/index.ts'

/** Hashing as cheap as argon2 allows: its cost is not under test here. */
const cheap = { authHashMemoryKib: 8, authHashPasses: 1 }

export interface Given {
  /** The database of an earlier process. */
  readonly db?: Database
  /** Stores of another body, or ones that fail. */
  readonly stores?: Stores
  readonly clock?: ManualClock
  /** Of the ids: another one for each instance on the same stores. */
  readonly seed?: number
}

/** auth-service over a database in memory, with a clock that the test advances. Stopped when the test has finished. */
export async function openWorld(config: Partial<AuthConfig> = {}, given: Given = {}) {
  const options = { logLevel: 'debug', seed: given.seed ?? (given.db ? 2 : 1) } as const
  const { clock, depsOf, lines, metricsRegistry } = createTestDeps({
    ...options,
    ...(given.clock && { clock: given.clock }),
  })
  const db = given.db ?? (await openMemoryDatabase(migrations))
  const registry = createStaticRegistry()
  const serviceTokens = createTestServiceTokens(clock)
  const service = createAuthService({
    ...depsOf('auth-service'),
    stores: given.stores ?? createSqliteStores(db),
    registry,
    serviceTokens,
    config: authConfig.parse({ ...cheap, ...config }),
  })
  await service.start()
  onTestFinished(async () => {
    await service.stop()
    if (!given.db) await db.close()
  })
  const { app } = service
  const post = (url: string, payload: object, token?: string) =>
    app.inject({ method: 'POST', url, payload, ...(token && { headers: { authorization: `Bearer ${token}` } }) })
  const call = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, token: string, payload?: object) =>
    app.inject({ method, url, headers: { authorization: `Bearer ${token}` }, ...(payload && { payload }) })
  const login = (username: string, password = 'correct horse') => post('/auth/login', { username, password })
  const internal = (url: string, payload: object) => post(url, payload, serviceTokens.sign('gateway'))
  return {
    ...service,
    db,
    clock,
    lines,
    metricsRegistry,
    registry,
    /** `address`: the sender's address, as the gateway names it. */
    signup: (username: string, password = 'correct horse', address = '10.0.0.1') =>
      app.inject({
        method: 'POST',
        url: '/auth/signup',
        payload: { username, password },
        headers: { 'x-forwarded-for': address },
      }),
    login,
    post,
    /** A call with a token. */
    call,
    /** A call of the gateway itself. */
    internal,
    /** Makes the first admin, called "root", and answers an access token. */
    async admin(): Promise<{ id: string; token: string }> {
      const token = await service.firstAdminToken()
      const made = await post('/auth/bootstrap', { token, username: 'root', password: 'correct horse' })
      return { id: made.json().id, token: (await login('root')).json().token }
    },
    /** Swaps an API key as the gateway does; null for one that is not taken. */
    swap: async (key: string): Promise<string | null> =>
      (await internal('/internal/api-keys/swap', { key })).json().token,
    me: (token: string) => app.inject({ url: '/auth/me', headers: { authorization: `Bearer ${token}` } }),
  }
}
export type World = Awaited<ReturnType<typeof openWorld>>

export const problemOf = (answer: { json(): unknown }) => answer.json() as Problem
