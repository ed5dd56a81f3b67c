import { describe, expect, it } from 'vitest'
import { gatewayConfig } from '../../src/index.ts'
import { makeWorld } from '../world.ts'

describe('BELFRY_GATEWAY_CORS_ORIGINS', () => {
  it('is a list of origins; none by default', () => {
    const read = (gatewayCorsOrigins?: string) => gatewayConfig.parse({ gatewayCorsOrigins }).gatewayCorsOrigins
    expect([read(), read(''), read('https://A.example/, http://localhost:5173')]).toEqual([
      undefined,
      [],
      ['https://a.example', 'http://localhost:5173'],
    ])
    for (const wrong of ['*', 'null', 'https://a.example/path', 'a.example', 'https://*.example']) {
      expect(() => read(wrong), wrong).toThrow()
    }
  })

  it('lets a page of such an origin call the services', async () => {
    const origin = 'https://console.example'
    const { app, bearer, seen } = await makeWorld({ config: { gatewayCorsOrigins: [origin] } })
    const answer = await app.inject({ method: 'POST', url: '/jobs', headers: { ...bearer, origin } })
    expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([200, origin])
    expect(seen).toHaveLength(1)
    const headers = { origin, 'access-control-request-method': 'POST' }
    const preflight = await app.inject({ method: 'OPTIONS', url: '/jobs', headers })
    expect([preflight.statusCode, preflight.headers['access-control-allow-origin']]).toEqual([204, origin])
    expect(seen).toHaveLength(1)
  })
})
