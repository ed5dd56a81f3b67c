import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { signUp } from '../../proof/caller.ts'
import { openTarget } from '../../proof/target.ts'
import { isElsewhere, useBelfry } from './belfry.ts'

/** More than there are slots. */
const many = 260

describe.skipIf(isElsewhere)('a user whose runs take an hour', () => {
  const belfry = useBelfry()

  it('stops no other user, on the same target too, and may be cancelled at once', async () => {
    const target = await openTarget((call, response) => {
      if (call.path === '/quick') response.end('{}')
    })
    onTestFinished(() => target.close())
    const other = await signUp(belfry.url)
    const create = async (user: typeof other, path: string) => {
      const body = {
        jobType: 'HTTP_CALL',
        params: { url: `${target.url}${path}`, timeoutMs: 3_600_000 },
        timeout: '1h',
      }
      const created = await user.call<{ id: string }>('POST', '/jobs', body)
      expect(created.status, JSON.stringify(created.body)).toBe(201)
      return created.body.id
    }
    const slow = await create(belfry.user, '/slow')
    for (let n = 0; n < many; n++) {
      expect((await belfry.user.call('POST', `/jobs/${slow}/trigger`)).status).toBe(202)
    }
    await eventually('all slots to be taken', async () => target.calls.length >= 200 || undefined)

    const quick = await create(other, '/quick')
    const triggered = await other.call<{ id: string }>('POST', `/jobs/${quick}/trigger`)
    await eventually('the other user to be served', async () => {
      const { body } = await other.call<{ status: string }>('GET', `/executions/${triggered.body.id}`)
      return body.status === 'SUCCESS' || undefined
    })
    expect(target.calls.filter((call) => call.path === '/slow')).toHaveLength(200)

    const cancelled = await belfry.user.call<{ inFlight: object[] }>('POST', `/jobs/${slow}/cancel`)
    expect([cancelled.status, cancelled.body.inFlight.length]).toEqual([200, many])
    await eventually('all of them to be cancelled', async () => {
      const { body } = await belfry.user.call<{ data: { status: string }[] }>(
        'GET',
        `/jobs/${slow}/executions?limit=200`,
      )
      return body.data.every((one) => one.status === 'CANCELLED') || undefined
    })
    expect(target.calls.filter((call) => call.path === '/slow')).toHaveLength(200)
  })
})
