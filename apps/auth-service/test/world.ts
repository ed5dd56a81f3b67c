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
}

/** auth-service over a database in memory, with a clock that the test advances. Stopped when the test has finished. */
export async function openWorld(config: Partial<AuthConfig> = {}, given: Given = {}) {
  const options = { logLevel: 'debug', seed: given.db ? 2 : 1 } as const
  const { clock, depsOf, lines, metricsRegistry } = createTestDeps({
    ...options,
    ...(given.clock && { clock: given.clock }),
  })
  const db = given.db ?? (await openMemoryDatabase(migrations))
  const registry = createStaticRegistry()
  const service = createAuthService({
    ...depsOf('auth-service'),
    stores: given.stores ?? createSqliteStores(db),
    registry,
    serviceTokens: createTestServiceTokens(clock),
    config: authConfig.parse({ ...cheap, ...config }),
  })
  await service.start()
  onTestFinished(async () => {
    await service.stop()
    if (!given.db) await db.close()
  })
  const { app } = service
  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })
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
    login: (username: string, password = 'correct horse') => post('/auth/login', { username, password }),
    me: (token: string) => app.inject({ url: '/auth/me', headers: { authorization: `Bearer ${token}` } }),
  }
}
export type World = Awaited<ReturnType<typeof openWorld>>

export const problemOf = (answer: { json(): unknown }) => answer.json() as Problem
