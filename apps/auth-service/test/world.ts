import { createStaticRegistry } from '@belfry/discovery'
import {
  createHealth,
  createLog,
  createManualClock,
  createMetrics,
  createSeededIds,
  type ManualClock,
} from '@belfry/service'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { type AuthConfig, authConfig, createAuthService, migrations } from '../src/index.ts'

/** Hashing as cheap as argon2 allows: what these tests ask about is not its cost. */
const cheap = { authHashMemoryKib: 8, authHashPasses: 1 }

/** auth-service over a database in memory, with a clock that the test turns. */
export async function openWorld(config: Partial<AuthConfig> = {}, given: { db?: Database; clock?: ManualClock } = {}) {
  const clock = given.clock ?? createManualClock()
  const lines: string[] = []
  const log = createLog({ level: 'debug', destination: { write: (line: string) => void lines.push(line) } })
  const health = createHealth({ clock, log })
  const metricsRegistry = createMetrics()
  const db = given.db ?? (await openMemoryDatabase(migrations))
  const registry = createStaticRegistry()
  const service = createAuthService({
    clock,
    log,
    health,
    metrics: metricsRegistry.forService('auth-service'),
    ids: createSeededIds(given.db ? 2 : 1),
    db,
    registry,
    config: authConfig.parse({ ...cheap, ...config }),
  })
  await service.start()
  const { app } = service
  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })
  return {
    ...service,
    db,
    clock,
    lines,
    metricsRegistry,
    registry,
    /** `address`: whom the gateway names as the sender. */
    signup: (username: string, password = 'correct horse', address = '10.0.0.1') =>
      app.inject({
        method: 'POST',
        url: '/auth/signup',
        payload: { username, password },
        headers: { 'x-forwarded-for': address },
      }),
    login: (username: string, password = 'correct horse') => post('/auth/login', { username, password }),
    me: (token: string) => app.inject({ url: '/auth/me', headers: { authorization: `Bearer ${token}` } }),
    async close() {
      await service.stop()
      if (!given.db) await db.close()
    },
  }
}
export type World = Awaited<ReturnType<typeof openWorld>>
