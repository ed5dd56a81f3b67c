import { describe, expect, it, onTestFinished } from 'vitest'
import { makeWorld } from './world.ts'

function open(publicUrl?: string) {
  const world = makeWorld({ publicUrl })
  onTestFinished(() => world.app.close())
  world.app.get('/jobs', { schema: {}, config: { access: 'user' } }, () => ({}))
  return world
}

describe('the headers of every answer', () => {
  it.each([
    ['/jobs', 200],
    ['/livez', 200],
    ['/nothing', 404],
    ['/%zz', 400],
  ])('%s has them', async (url, status) => {
    const { app, bearer } = open()
    const answer = await app.inject({ url, headers: bearer('user') })
    expect(answer.statusCode).toBe(status)
    expect(answer.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'x-request-id': expect.any(String),
    })
    expect(answer.headers).not.toHaveProperty('strict-transport-security')
  })

  it('keep caches from storing what a token was needed for, and nothing else', async () => {
    const { app, bearer } = open()
    expect((await app.inject({ url: '/jobs', headers: bearer('user') })).headers['cache-control']).toBe('no-store')
    expect((await app.inject('/jobs')).headers['cache-control']).toBe('no-store')
    expect((await app.inject('/livez')).headers['cache-control']).toBeUndefined()
  })

  it('tell browsers to stay with https where the public address has it', async () => {
    const { app } = open('https://belfry.example')
    expect((await app.inject('/livez')).headers['strict-transport-security']).toBe('max-age=31536000')
    const plain = open('http://belfry.example')
    expect((await plain.app.inject('/livez')).headers).not.toHaveProperty('strict-transport-security')
  })
})
