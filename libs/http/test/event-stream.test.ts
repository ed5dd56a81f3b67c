import { isRefusal } from '@belfry/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { createEventStreams, type EventStream, type EventStreamsOptions } from '../src/index.ts'
import { makeWorld } from './world.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function openWorld(settings: Partial<EventStreamsOptions> = {}) {
  const world = makeWorld()
  const { app, clock, deps } = world
  const limits = { perUser: 2, total: 3, heartbeatMs: 15_000, bufferBytes: 1024, stallMs: 10_000 }
  const streams = createEventStreams(app, { clock, metrics: deps.metrics, ...limits, ...settings })
  const opened: EventStream[] = []
  app.get('/events', { schema: {}, config: { access: 'viewer' }, exposeHeadRoute: false }, (request, reply) => {
    const stream = streams.open(request, reply)
    if (isRefusal(stream)) return reply.refuse(stream)
    opened.push(stream)
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  closing.push(() => app.close())
  const connect = async () => {
    const abort = new AbortController()
    closing.push(() => abort.abort())
    const answer = await fetch(`${address}/events`, { headers: world.bearer('viewer'), signal: abort.signal })
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const readUntil = async (part: string) => {
      while (!text.includes(part)) {
        const { value, done } = await reader!.read()
        if (done) break
        text += value
      }
      return text
    }
    return { answer, abort, readUntil }
  }
  return { ...world, opened, connect, address }
}

describe('an event stream', () => {
  it('sends events with an id, and a comment while there are none', async () => {
    const { connect, opened, clock } = await openWorld()
    const { answer, readUntil } = await connect()
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(answer.headers.get('cache-control')).toContain('no-transform')
    expect(answer.headers.get('x-request-id')).not.toBeNull()
    opened[0]!.send({ id: '7', event: 'job', data: { name: 'two\nlines' } })
    expect(await readUntil('two')).toBe('retry: 1000\n\nid: 7\nevent: job\ndata: {"name":"two\\nlines"}\n\n')
    await clock.advance(15_000)
    expect(await readUntil(': here')).toContain(': here\n\n')
    opened[0]!.mark('9')
    await clock.advance(15_000)
    expect(await readUntil('id: 9')).toContain(': here\nid: 9\n\n')
  })

  it('ends when the token expires, and says so', async () => {
    const { connect, opened, clock } = await openWorld({ heartbeatMs: 3_600_000 })
    const { readUntil } = await connect()
    await clock.advance(899_000)
    expect(opened[0]!.isOpen).toBe(true)
    await clock.advance(1_000)
    expect(await readUntil('token-expired')).toContain('event: end\ndata: {"reason":"token-expired"}\n\n')
    expect(opened[0]!.isOpen).toBe(false)
  })

  it('ends when the service stops, which does not wait for its reader', async () => {
    const { connect, app } = await openWorld()
    const { readUntil } = await connect()
    await app.close()
    expect(await readUntil('stopping')).toContain('event: end\ndata: {"reason":"stopping"}\n\n')
  })

  it('is one of a few of its user; one that its reader has closed does not count', async () => {
    const { connect, opened, address, bearer } = await openWorld()
    const first = await connect()
    await connect()
    const refused = await fetch(`${address}/events`, { headers: bearer('viewer') })
    expect(refused.status).toBe(429)
    expect(await refused.json()).toMatchObject({ code: 'too-many-requests' })
    const { closed } = opened[0]!
    first.abort.abort()
    await new Promise((resolve) => closed.addEventListener('abort', resolve, { once: true }))
    expect((await connect()).answer.status).toBe(200)
  })

  it('cuts off a reader that does not read', async () => {
    const { connect, opened, clock } = await openWorld()
    await connect()
    const stream = opened[0]!
    const data = 'x'.repeat(1_000_000)
    for (let event = 0; event < 20; event++) stream.send({ id: String(event), event: 'line', data })
    const waiting = stream.ready()
    await clock.advance(10_000)
    await waiting
    expect(stream.isOpen).toBe(false)
  })

  it('does not count when its reader went away before it began', async () => {
    const world = makeWorld()
    const limits = { perUser: 1, total: 1, heartbeatMs: 15_000, bufferBytes: 1024, stallMs: 10_000 }
    const streams = createEventStreams(world.app, { clock: world.clock, metrics: world.deps.metrics, ...limits })
    const asked = Promise.withResolvers<void>()
    const isOpen: boolean[] = []
    const ended = Promise.withResolvers<void>()
    world.app.get('/late', { schema: {}, config: { access: 'viewer' } }, async (request, reply) => {
      asked.resolve()
      await new Promise((resolve) => reply.raw.once('close', resolve))
      for (let count = 0; count < 2; count++) {
        const stream = streams.open(request, reply)
        isOpen.push(!isRefusal(stream) && stream.isOpen, isRefusal(stream))
      }
      ended.resolve()
    })
    const address = await world.app.listen({ host: '127.0.0.1', port: 0 })
    closing.push(() => world.app.close())
    const abort = new AbortController()
    const answer = fetch(`${address}/late`, { headers: world.bearer('viewer'), signal: abort.signal })
    await asked.promise
    abort.abort()
    await expect(answer).rejects.toThrow()
    await ended.promise
    expect(isOpen).toEqual([false, false, false, false])
  })
})
