import { describe, expect, it } from 'vitest'
import { makeWorld } from '../world.ts'

const prefixes = ['/v1', '/api', '/api/v1']

describe('the dialects at the gateway', () => {
  it.each([
    ['POST', '/auth/login', 'auth-service'],
    ['GET', '/auth/me', 'auth-service'],
    ['GET', '/jobs', 'job-service'],
    ['POST', '/jobs/job-1/trigger', 'job-service'],
    ['GET', '/jobs/job-1/fire-log', 'scheduler-service'],
    ['GET', '/executions/exe-1', 'job-service'],
    ['GET', '/executions/exe-1/logs', 'executor-service'],
    ['POST', '/scheduler/scan', 'scheduler-service'],
    ['OPTIONS', '/jobs', 'job-service'],
  ] as const)('%s %s goes to the same service, at the address as it came', async (method, url, service) => {
    const { app, bearer, seen } = await makeWorld()
    for (const prefix of ['', ...prefixes]) {
      const headers = { ...bearer, host: 'localhost' }
      const answer = await app.inject({ method, url: `${prefix}${url}?a=%2Fb`, headers })
      expect([answer.statusCode, answer.headers['x-answered-by']]).toEqual([200, service])
      expect(seen.at(-1)).toMatchObject({ service, method, url: `${prefix}${url}?a=%2Fb` })
    }
  })

  it('need the same token, and count as the same calls', async () => {
    const config = { gatewayTriggersPerMinute: 3, gatewayLoginsPerMinute: 3 }
    const { app, bearer } = await makeWorld({ config })
    for (const prefix of prefixes) {
      expect((await app.inject(`${prefix}/jobs`)).statusCode).toBe(401)
      const trigger = { method: 'POST', url: `${prefix}/jobs/job-1/trigger`, headers: bearer } as const
      expect((await app.inject(trigger)).headers['ratelimit-policy']).toContain('"trigger"')
      const login = await app.inject({ method: 'POST', url: `${prefix}/auth/login` })
      expect(login.headers['ratelimit-policy']).toBe('"login-address";q=3;w=60')
    }
    const more = await app.inject({ method: 'POST', url: '/api/v1/jobs/job-1/trigger', headers: bearer })
    expect(more.json()).toMatchObject({ status: 429, code: 'too-many-requests', success: false })
    expect((await app.inject({ method: 'POST', url: '/v1/auth/login' })).statusCode).toBe(429)
  })

  it('route no internal address, and answer an unknown one in their own form', async () => {
    const { app, bearer } = await makeWorld()
    for (const prefix of prefixes) {
      expect((await app.inject({ url: `${prefix}/internal/jobs/changes`, headers: bearer })).statusCode).toBe(404)
      const services = await app.inject({ url: `${prefix}/system/services`, headers: bearer })
      expect([services.statusCode, services.json().success]).toEqual([200, prefix === '/api/v1' ? true : undefined])
      expect(services.json().data).toHaveLength(4)
      const unknown = await app.inject(`${prefix}/nothing`)
      expect([unknown.statusCode, unknown.json().success]).toEqual([404, prefix === '/api/v1' ? false : undefined])
    }
  })
})
