import { describe, expect, it } from 'vitest'
import { useBelfry } from './belfry.ts'

interface Problem {
  code: string
}

describe('bodies that are too large', () => {
  const belfry = useBelfry()

  it('are 413 every time, and keep the way open for all others', async () => {
    const params = { payload: 'x'.repeat(400_000) }
    const bodies: [string, object][] = [
      ['/auth/login', { username: 'no-such-user', password: 'x'.repeat(400_000) }],
      ['/jobs', { jobType: 'DUMMY', params }],
      ['/jobs/any/trigger', { params }],
    ]
    for (const [path, body] of bodies) {
      for (let i = 0; i < 12; i++) {
        const refused = await belfry.user.call<Problem>('POST', path, body)
        expect([refused.status, refused.body.code], path).toEqual([413, 'too-large'])
      }
    }
    expect((await belfry.user.call('GET', '/jobs')).status).toBe(200)
    expect((await belfry.user.call('GET', '/auth/me')).status).toBe(200)
  })
})
