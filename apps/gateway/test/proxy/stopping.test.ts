import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { makeWorld } from '../world.ts'

/** A service whose answers wait until they are let go. */
function createHeld() {
  const waiting: (() => void)[] = []
  let arrived = () => {}
  const service: RequestListener = (request, reply) => {
    waiting.push(() => reply.writeHead(200, { 'content-type': 'application/json' }).end(`{"url":"${request.url}"}`))
    arrived()
  }
  return {
    service,
    /** Resolves when the next request has come. */
    next() {
      const { promise, resolve } = Promise.withResolvers<void>()
      arrived = resolve
      return promise
    },
    release: () => {
      for (const answer of waiting.splice(0)) answer()
    },
  }
}

async function open() {
  const held = createHeld()
  const world = await makeWorld({ services: { 'job-service': held.service } })
  const { hostname, port } = new URL(await world.gateway.start())
  const socket = connect(Number(port), hostname).setEncoding('utf8')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  const closed = once(socket, 'close')
  const send = (url: string) =>
    void socket.write(`GET ${url} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${world.token}\r\n\r\n`)
  const come = held.next()
  send('/jobs?first')
  await come
  return { ...world, held, send, answers: () => closed.then(() => text.split(/(?=HTTP\/1\.1 )/)) }
}

describe('a gateway that stops', () => {
  it('answers what is at work, and what comes after it on the same connection, and closes that', async () => {
    const { gateway, held, send, answers } = await open()
    const stopped = gateway.stop()
    send('/jobs?second')
    const second = held.next()
    held.release()
    await second
    held.release()
    await stopped
    const [first, last, ...others] = await answers()
    expect(others).toEqual([])
    expect(first).toMatch(/^HTTP\/1\.1 200 .*\{"url":"\/jobs\?first"\}/s)
    expect(last).toMatch(/^HTTP\/1\.1 200 .*\{"url":"\/jobs\?second"\}/s)
    expect(last?.toLowerCase()).toContain('connection: close')
  })

  it('answers 503 as a problem, with Retry-After, where the service is gone before it', async () => {
    const { gateway, registry, held, send, answers } = await open()
    const stopped = gateway.stop()
    for (const one of registry.instances('job-service')) await registry.deregister(one)
    send('/api/v1/jobs')
    held.release()
    await stopped
    const last = (await answers()).at(-1) ?? ''
    expect(last).toMatch(/^HTTP\/1\.1 503 /)
    const head = last.toLowerCase()
    for (const line of ['connection: close', 'retry-after: 1', 'content-type: application/problem+json']) {
      expect(head).toContain(line)
    }
    const body = JSON.parse(last.slice(last.indexOf('\r\n\r\n')).replace(/^[^{]*|[^}]*$/g, ''))
    expect(body).toMatchObject({ code: 'unavailable', status: 503, success: false, retryable: true })
  })
})
