import { describe, expect, it } from 'vitest'
import { openWorld as open } from './world.ts'

describe('the service', () => {
  it('listens, registers and is ready after its start; leaves and closes at its stop, twice if asked', async () => {
    const { app, registry, stop } = await open()
    const address = app.server.address() as { port: number }
    expect(registry.pick('auth-service')).toMatchObject({ host: '127.0.0.1', port: address.port })
    expect((await app.inject('/readyz')).statusCode).toBe(200)
    await stop()
    await stop()
    expect(registry.pick('auth-service')).toBeUndefined()
    expect(app.server.listening).toBe(false)
  })

  it('describes its routes, whose only open ones are those that need no token', async () => {
    const { app } = await open()
    const { paths } = (await app.inject('/openapi.json')).json()
    expect(Object.keys(paths).sort()).toEqual([
      '/auth/.well-known/jwks.json',
      '/auth/api-keys',
      '/auth/api-keys/{id}',
      '/auth/bootstrap',
      '/auth/invite',
      '/auth/login',
      '/auth/logout',
      '/auth/me',
      '/auth/password',
      '/auth/refresh',
      '/auth/signing-keys/rotate',
      '/auth/signup',
      '/auth/users',
      '/auth/users/{id}',
      '/auth/users/{id}/invite',
    ])
    const isOpen = (operations: object) => Object.values(operations).some((one) => one.security.length === 0)
    expect(
      Object.keys(paths)
        .filter((path) => isOpen(paths[path]))
        .sort(),
    ).toEqual([
      '/auth/.well-known/jwks.json',
      '/auth/bootstrap',
      '/auth/invite',
      '/auth/login',
      '/auth/logout',
      '/auth/refresh',
      '/auth/signup',
    ])
  })
})
