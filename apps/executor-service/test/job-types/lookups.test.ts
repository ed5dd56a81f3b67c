import type { Handler } from '@belfry/worker'
import { describe, expect, it } from 'vitest'
import { createHandlers, handlersDefaults } from '../../src/job-types/job-types.ts'
import { createTestContext } from './run-context.ts'
import { startTarget } from './target.ts'

const loopback = [{ address: '127.0.0.1', family: 4 }]

describe('HTTP_CALLs of one owner to names that get no answer, together with those of another owner', () => {
  it('do not hold those up', async () => {
    const target = await startTarget((_, response) => response.end('hello'))
    const slowAnswer = Promise.withResolvers<typeof loopback>()
    const asked: string[] = []
    const resolve = (name: string) => {
      if (name.startsWith('good')) return Promise.resolve(loopback)
      asked.push(name)
      return slowAnswer.promise
    }
    const handlers = createHandlers({ ...handlersDefaults, allowPrivate: true, lookups: 4, ownerLookups: 2 }, resolve)
    const handler = handlers.types.get('HTTP_CALL') as Handler
    const call = (ownerId: string, host: string) =>
      handler.run(handler.params.parse({ url: `http://${host}:${target.port}/` }), createTestContext({ ownerId }))
    const slow = Array.from({ length: 10 }, (_, n) => call('usr-a', `slow${n}.example`).catch(() => 'failed'))
    await expect.poll(() => asked.length).toBe(2)
    const behind = call('usr-a', 'good.example').catch(() => 'failed')
    expect(await call('usr-b', 'good.example')).toMatchObject({ status: 200 })
    expect(asked).toHaveLength(2)
    expect(target.seen).toHaveLength(1)
    await handlers.close()
    slowAnswer.resolve(loopback)
    await Promise.all([...slow, behind])
    await target.close()
  })
})
