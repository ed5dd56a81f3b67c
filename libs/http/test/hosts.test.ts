import { connect } from 'node:net'
import type { Problem } from '@belfry/contracts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { isLoopbackHost } from '../src/index.ts'
import { makeWorld } from './world.ts'

async function open(host = '127.0.0.1', publicUrl?: string) {
  const { app } = makeWorld({ publicUrl })
  onTestFinished(() => app.close())
  app.post('/jobs', { schema: {}, config: { access: 'public' } }, () => ({ made: true }))
  await app.listen({ host, port: 0 })
  const { port } = app.server.address() as { port: number }
  /** Sends a request as it is; `PORT` stands for the port that was taken. */
  const send = async (head: string) => {
    const socket = connect(port, host.includes(':') ? '::1' : '127.0.0.1')
    socket.end(`${head.replaceAll('PORT', String(port))}\r\nconnection: close\r\n\r\n`)
    return Buffer.concat(await socket.toArray()).toString()
  }
  const get = (hostHeader: string) => send(`GET /livez HTTP/1.1\r\nhost: ${hostHeader}`)
  const post = (origin: string, hostHeader = '127.0.0.1:PORT') =>
    send(`POST /jobs HTTP/1.1\r\nhost: ${hostHeader}\r\norigin: ${origin}\r\ncontent-length: 0`)
  return { send, get, post }
}

const statusOf = (text: string) => Number(text.slice(9, 12))
const problemOf = (text: string) => JSON.parse(text.slice(text.indexOf('{'))) as Problem

describe('Host, while Belfry listens on loopback', () => {
  it.each(['localhost', 'localhost:PORT', '127.0.0.1:1', '[::1]:PORT', '[::1]', 'LocalHost:PORT'])(
    'may be %s',
    async (host) => {
      const { get } = await open()
      expect(statusOf(await get(host))).toBe(200)
    },
  )

  it.each([
    'evil.example',
    'evil.example:PORT',
    'localhost.',
    'localhost.evil.example',
    'evil.example.localhost',
    'localhost@evil.example',
    'evil.example@localhost',
    'localhost:PORT@evil.example',
    'evil.example#localhost',
    'localhost:',
    'localhost:x',
    'localhost, evil.example',
    '127.0.0.1.evil.example',
    '127.1',
    '2130706433',
    '127.0.0.2',
    '0.0.0.0',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::1',
    '::1',
    '[::1]evil',
    '192.168.1.4',
    '',
  ])('must not be %s', async (host) => {
    const { get } = await open()
    const text = await get(host)
    expect(statusOf(text)).toBe(421)
    expect(problemOf(text)).toMatchObject({
      code: 'misdirected-request',
      detail: expect.stringContaining('PUBLIC_URL'),
    })
  })

  it('must come, once', async () => {
    const { send } = await open()
    expect(statusOf(await send('GET /livez HTTP/1.0\r\naccept: */*'))).toBe(421)
    expect(statusOf(await send('GET /livez HTTP/1.0\r\nhost: localhost'))).toBe(200)
    expect(statusOf(await send('GET /livez HTTP/1.1\r\nhost: localhost\r\nHOST: evil.example'))).toBe(400)
    expect(statusOf(await send('GET /livez HTTP/1.1\r\nhost: evil.example\r\nhost: localhost'))).toBe(400)
    expect(statusOf(await send('GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: localhost'))).toBe(400)
  })

  it('may be the one of the public URL, at any port', async () => {
    const { get } = await open('127.0.0.1', 'https://belfry.example:8443')
    for (const host of ['belfry.example', 'Belfry.Example:8443', 'belfry.example:1', 'localhost']) {
      expect(statusOf(await get(host)), host).toBe(200)
    }
    expect(statusOf(await get('other.example'))).toBe(421)
  })

  it('may be the address that was bound', async () => {
    const { get } = await open('localhost')
    expect(statusOf(await get('localhost:PORT'))).toBe(200)
    expect(statusOf(await get('evil.example'))).toBe(421)
  })

  it('is looked at on every address, also where there is nothing', async () => {
    const { send } = await open()
    expect(statusOf(await send('GET /nothing HTTP/1.1\r\nhost: evil.example'))).toBe(421)
    expect(statusOf(await send('OPTIONS /jobs HTTP/1.1\r\nhost: evil.example'))).toBe(421)
  })
})

describe('Host, while Belfry listens on the network', () => {
  it('may be any name, once', async () => {
    const { get, send } = await open('0.0.0.0')
    for (const host of ['belfry.example', 'localhost', '10.0.0.4:PORT']) expect(statusOf(await get(host))).toBe(200)
    expect(statusOf(await send('GET /livez HTTP/1.1\r\nhost: a.example\r\nhost: b.example'))).toBe(400)
  })
})

describe('Origin', () => {
  it.each([
    ['http://127.0.0.1:PORT', '127.0.0.1:PORT'],
    ['http://localhost:PORT', 'localhost:PORT'],
    ['HTTP://LOCALHOST:PORT', 'LocalHost:PORT'],
    ['https://localhost', 'localhost'],
    ['https://belfry.example:8443', '127.0.0.1:PORT'],
  ])('of Belfry itself may change things: %s on %s', async (origin, host) => {
    const { post } = await open('127.0.0.1', 'https://belfry.example:8443')
    expect(statusOf(await post(origin, host))).toBe(200)
  })

  it.each([
    'null',
    '',
    'https://evil.example',
    'http://127.0.0.1:1',
    'http://localhost:PORT',
    'http://127.0.0.1',
    'http://127.0.0.1:PORT.evil.example',
    'http://evil.example@127.0.0.1:PORT',
    'http://127.0.0.1:PORT/',
    'chrome-extension://127.0.0.1:PORT',
    'https://belfry.example',
    'http://127.0.0.1:PORT\r\norigin: https://evil.example',
  ])('of another site may not: %s', async (origin) => {
    const { post } = await open('127.0.0.1', 'https://belfry.example:8443')
    const text = await post(origin)
    expect(statusOf(text)).toBe(403)
    expect(problemOf(text).code).toBe('foreign-origin')
  })

  it('does not matter where nothing is changed', async () => {
    const { send } = await open()
    for (const method of ['GET', 'HEAD']) {
      const text = await send(`${method} /livez HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example`)
      expect(statusOf(text)).toBe(200)
      expect(text).not.toMatch(/access-control/i)
    }
  })

  it('is looked at while Belfry listens on the network too', async () => {
    const { post } = await open('0.0.0.0')
    expect(statusOf(await post('https://belfry.example', 'belfry.example'))).toBe(200)
    expect(statusOf(await post('https://evil.example', 'belfry.example'))).toBe(403)
  })
})

describe('a host to listen on', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'])(
    '%s is loopback',
    (host) => {
      expect(isLoopbackHost(host)).toBe(true)
    },
  )
  it.each(['0.0.0.0', '::', '10.0.0.4', '192.168.1.4', 'belfry.example', 'localhost.example', '127.evil.example', ''])(
    '%s is not',
    (host) => {
      expect(isLoopbackHost(host)).toBe(false)
    },
  )
})
