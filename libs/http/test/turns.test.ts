import Fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import type { HttpApp } from '../src/index.ts'
import { takeTurns } from '../src/turns.ts'

describe('requests that arrive together', () => {
  it('begin so many in one iteration of the event loop, in their order', async () => {
    const app = Fastify() as unknown as HttpApp
    takeTurns(app, 2)
    let iterations = 0
    const begun: [string, number][] = []
    app.get('/:n', (request, reply) => {
      begun.push([(request.params as { n: string }).n, iterations])
      reply.send('ok')
    })
    await app.ready()
    const count = () => {
      iterations += 1
      if (begun.length < 5) setImmediate(count)
    }
    const answers = ['a', 'b', 'c', 'd', 'e'].map((n) => app.inject(`/${n}`))
    setImmediate(count)
    expect((await Promise.all(answers)).map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200, 200])
    expect(begun.map(([n]) => n)).toEqual(['a', 'b', 'c', 'd', 'e'])
    const perIteration = Map.groupBy(begun, ([, iteration]) => iteration)
    for (const [, together] of perIteration) expect(together.length).toBeLessThanOrEqual(2)
  })
})
